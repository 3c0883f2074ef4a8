"""`marginalia soak`."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--minutes", default=30.0, show_default=True, type=click.FloatRange(min=0.2), help="How long.")
@click.option("--clients", default=4, show_default=True, type=click.IntRange(min=1), help="How many EHRs call at the same time.")
def soak(minutes: float, clients: int) -> None:
    """Mixed load for a long time on a service of its own; reports errors, percentiles and growth of memory.

    Exit code 1 where a call failed otherwise than by a polite 503.
    """
    from cds_service.serving.soak import soak as run

    report = run(minutes, clients, lambda words: click.echo(words, err=True))
    click.echo(json.dumps(report, indent=2))
    if report["failures"]:
        raise SystemExit(1)
