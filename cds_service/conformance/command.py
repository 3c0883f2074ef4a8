"""`marginalia conformance`: the CDS Hooks checklist against any service."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from cds_service.conformance.report import Result, Verdict, counted, run
from cds_service.conformance.stage import Stage
from cds_service.simulate import Chart, Ehr, sample_chart
from cds_service.simulate.command import signer_of

_MARKS = {Verdict.PASS: "ok  ", Verdict.WARN: "warn", Verdict.FAIL: "FAIL", Verdict.SKIP: "skip"}


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
    results: list[Result] = []
    with contextlib.closing(ehr):
        for result in run(stage, given["only"]):
            results.append(result)
            if not given["as_json"]:
                _show(result)
    counts = counted(results)
    if given["as_json"]:
        told = {"service": ehr.base_url, "time": datetime.now(UTC).isoformat(timespec="seconds"), "counts": counts, "lines": [r.as_json() for r in results]}
        click.echo(json.dumps(told, indent=2))
    else:
        click.echo(", ".join(f"{number} {verdict}" for verdict, number in counts.items()))
    click.get_current_context().exit(1 if counts["fail"] or (given["strict"] and counts["warn"]) else 0)


def _show(result: Result) -> None:
    click.echo(f"{_MARKS[result.verdict]}  {result.line.id:<4} {result.line.level.value:<6} {result.line.words}")
    for problem in result.problems:
        click.echo(f"                   {problem}")
