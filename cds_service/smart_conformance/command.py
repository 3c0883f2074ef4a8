"""`marginalia smart-conformance`: the SMART App Launch checklist against a running app."""

from __future__ import annotations

from typing import Any

import click

from cds_service.conformance.report import told
from cds_service.smart_conformance import ISSUERS, SMART, SmartEhr, Stage

_METHODS = ["public", "client_secret_basic", "private_key_jwt"]


@click.command("smart-conformance")
@click.argument("launch_url")
@click.option("--port", default=9300, show_default=True, type=click.IntRange(0, 65535), help="Port on this machine of the simulated EHR.")
@click.option("--ehr-url", default="", help="Address under which the app reaches it, where that is another (behind a tunnel or proxy).")
@click.option("--client-id", default="marginalia-conformance", show_default=True, help="The app's client_id at the simulated EHR.")
@click.option("--auth", default="public", show_default=True, type=click.Choice(_METHODS), help="How the app is registered with the issuer `main`.")
@click.option("--client-secret", default="", envvar="SMART_CLIENT_SECRET", show_envvar=True, help="The app's secret, to be compared.")
@click.option("--jwks-url", default="", help="Address of the app's public keys (private_key_jwt).")
@click.option("--redirect-url", default="", help="The redirect URI that the app registers.")
@click.option("--issuers", is_flag=True, help="Print the issuers to register with the app, and end.")
@click.option("--only", multiple=True, help="Run the lines whose id begins so (L12, K). Repeatable.")
@click.option("--strict", is_flag=True, help="Exit with 1 on warnings too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def smart_conformance(launch_url: str, **given: Any) -> None:
    """Launch the SMART app of LAUNCH_URL from a simulated EHR on this machine, and judge it line by line.

    Register the issuers (--issuers prints them) with the app first; lines whose issuer isn't registered are skipped. The simulated browser runs no
    scripts: an app that does the launch in the browser can't be judged. Charts are invented. Exit code 1 where a line fails.
    """
    with SmartEhr(given["client_id"], port=given["port"], announced=given["ehr_url"]) as ehr:
        if given["issuers"]:
            for issuer, purpose in ISSUERS.items():
                click.echo(f"{ehr.iss(issuer)}  {purpose}")
            return
        stage = Stage(launch_url, ehr, given["auth"], given["client_secret"], given["redirect_url"], given["jwks_url"])
        status = told(SMART.run(stage, given["only"]), launch_url, as_json=given["as_json"], strict=given["strict"])
    click.get_current_context().exit(status)
