"""`marginalia simulate`: an EHR against any CDS service, for integration engineers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from cds_service.errors import RequestError
from cds_service.simulate.chart import Chart, sample_chart
from cds_service.simulate.ehr import Answer, Ehr, feedback_on
from cds_service.simulate.fhir_server import FhirServer
from cds_service.simulate.hook_calls import hook_call
from cds_service.simulate.signer import Signer, load_key, new_key


@click.group()
def simulate() -> None:
    """Play an EHR against any CDS service: discovery, hooks, signed tokens, prefetch, feedback."""


@simulate.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def key(file: Path) -> None:
    """Make the EHR's key: the private part goes into FILE, the public key set is printed, to be registered with the service."""
    click.echo(json.dumps(new_key(file), indent=2))


@simulate.command()
@click.argument("url")
@click.option("--hook", default="patient-view", show_default=True, help="Which hook to fire; every service for it is called.")
@click.option("--service", "service_id", default="", help="Call this service only.")
@click.option("--bundle", type=click.Path(path_type=Path, dir_okay=False), help="FHIR R4 Bundle of one patient; an invented patient unless given.")
@click.option("--user", default="Practitioner/sim-7", show_default=True, help="Who is at the EHR.")
@click.option("--omit", multiple=True, help="Prefetch key to leave out. Repeatable.")
@click.option("--serve-fhir", is_flag=True, help="Serve the chart on this machine and send fhirServer and fhirAuthorization along.")
@click.option("--fhir-port", default=0, type=click.IntRange(0, 65535), help="Port of that server; a free one unless given.")
@click.option("--issuer", default="", help="What the JWT says in `iss`.")
@click.option("--key", "key_file", type=click.Path(path_type=Path, dir_okay=False), help="The EHR's private key (JWK); without it calls aren't signed.")
@click.option("--jku", default="", help="What the JWT says in `jku`.")
@click.option("--tenant", default="", help="What the JWT says in `tenant`.")
@click.option("--audience", default="", help="Base URL that tokens are signed for, where it is another than URL.")
@click.option("--feedback", type=click.Choice(["accept", "override"]), help="Send feedback on every card.")
@click.option("--json", "as_json", is_flag=True, help="Print calls and answers as JSON.")
def fire(url: str, **given: Any) -> None:
    """Fire a hook at the service of URL (what stands before /cds-services), and show the cards.

    Exit code 1 where a call isn't answered with cards.
    """
    chart = Chart.load(given["bundle"]) if given["bundle"] else sample_chart()
    ehr = Ehr(url, signer_of(given["issuer"], given["key_file"], given["jku"], given["tenant"]), audience=given["audience"])
    with contextlib.closing(ehr), _fhir(chart, given) as server:
        services = _chosen(ehr, given["hook"], given["service_id"])
        told = []
        for service in services:
            body = hook_call(service, chart, omit=given["omit"], user=given["user"])
            if server is not None:
                body |= {"fhirServer": server.url, "fhirAuthorization": server.authorization()}
            answer = ehr.call(service["id"], body)
            told.append({"service": service["id"], "status": answer.status, "ms": round(answer.milliseconds), "call": body, "answer": answer.json})
            if not given["as_json"]:
                _show(service["id"], answer)
            if given["feedback"] and answer.cards:
                outcome = "accepted" if given["feedback"] == "accept" else "overridden"
                done = ehr.feedback(service["id"], [feedback_on(card, outcome) for card in answer.cards])
                told[-1]["feedback"] = done.status
                click.echo(f"feedback on {len(answer.cards)} cards: {done.status}", err=True)
        if server is not None:
            click.echo(f"The FHIR server was asked {len(server.asked)} times.", err=True)
    if given["as_json"]:
        click.echo(json.dumps(told, indent=2))
    click.get_current_context().exit(0 if all(t["status"] == 200 for t in told) else 1)


def signer_of(issuer: str, key_file: Path | None, jku: str, tenant: str) -> Signer | None:
    """Return the signer of these options, or None where calls aren't signed."""
    if key_file is None:
        return None
    if not issuer:
        raise click.UsageError("--key wants --issuer.")
    return Signer(issuer, load_key(key_file), jku, tenant)


def _chosen(ehr: Ehr, hook: str, service_id: str) -> list[dict[str, Any]]:
    offered = ehr.services()
    found = [s for s in offered if (s.get("id") == service_id if service_id else s.get("hook") == hook)]
    if not found:
        listed = ", ".join(f"{s.get('id')} ({s.get('hook')})" for s in offered) or "none"
        raise RequestError(f"There is no service {service_id or f'for the hook {hook}'}.", f"On offer: {listed}.")
    return found


@contextlib.contextmanager
def _fhir(chart: Chart, given: dict[str, Any]) -> Iterator[FhirServer | None]:
    if not given["serve_fhir"]:
        yield None
        return
    with FhirServer(chart, port=given["fhir_port"]) as server:
        yield server


def _show(service_id: str, answer: Answer) -> None:
    click.echo(f"{service_id}: {answer.status}, {answer.milliseconds:.0f} ms, {len(answer.cards)} cards")
    if answer.status != 200:
        click.echo(f"    {answer.body[:500].decode(errors='replace')}")
    for card in answer.cards:
        click.echo(f"  [{card.get('indicator')}] {card.get('summary')}")
        for line in str(card.get("detail") or "").splitlines():
            click.echo(f"      {line}")
        for suggestion in card.get("suggestions") or []:
            click.echo(f"      > {suggestion.get('label')}")
        for link in card.get("links") or []:
            click.echo(f"      link {link.get('label')}: {link.get('url')}")
