"""`marginalia conformance`: the CDS Hooks checklist against any service."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click

from cds_service.conformance import run
from cds_service.conformance.report import told
from cds_service.conformance.stage import Stage
from cds_service.simulate import Chart, Ehr, sample_chart
from cds_service.simulate.command import signer_of


@click.command()
@click.argument("url")
@click.option("--issuer", default="", help="What our JWTs say in `iss`: registered with the service.")
@click.option("--key", "key_file", type=click.Path(path_type=Path, dir_okay=False), help="Our private key (JWK), see `marginalia simulate key`.")
@click.option("--jku", default="", help="What our JWTs say in `jku`.")
@click.option("--tenant", default="", help="What our JWTs say in `tenant`.")
@click.option("--audience", default="", help="Base URL that tokens are signed for, where it is another than URL.")
@click.option("--bundle", type=click.Path(path_type=Path, dir_okay=False), help="FHIR R4 Bundle of one test patient; an invented patient unless given.")
@click.option("--fhir-port", type=click.IntRange(1, 65535), help="Port on this machine of a FHIR server that the service may call (registered for our client).")
@click.option("--cors-origin", default="", help="An origin whose pages may call the service.")
@click.option("--only", multiple=True, help="Run the lines whose id begins so (J, C2). Repeatable.")
@click.option("--strict", is_flag=True, help="Exit with 1 on warnings too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def conformance(url: str, **given: Any) -> None:
    """Run the CDS Hooks checklist against the service of URL (what stands before /cds-services), line by line.

    SHALL lines fail; SHOULD lines and house rules warn. Feedback is sent on the cards that come back: use a test system.
    Exit code 1 where a line fails.
    """
    chart = Chart.load(given["bundle"]) if given["bundle"] else sample_chart()
    ehr = Ehr(url, signer_of(given["issuer"], given["key_file"], given["jku"], given["tenant"]), audience=given["audience"])
    stage = Stage(ehr, chart, fhir_port=given["fhir_port"] or 0, cors_origin=given["cors_origin"])
    stage.reachable_fhir = bool(given["fhir_port"]) or (stage.on_this_machine and ehr.signer is None)
    with contextlib.closing(ehr):
        status = told(run(stage, given["only"]), ehr.base_url, as_json=given["as_json"], strict=given["strict"])
    click.get_current_context().exit(status)
