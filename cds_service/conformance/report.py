"""Telling what came of the lines, to people and to machines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime

import click

from cds_service.conformance.checklist import Result, Verdict, counted

_MARKS = {Verdict.PASS: "ok  ", Verdict.WARN: "warn", Verdict.FAIL: "FAIL", Verdict.SKIP: "skip"}


def told(results: Iterable[Result], of: str, *, as_json: bool, strict: bool) -> int:
    """Print the results as they come, or as JSON at the end, and return the exit code; `of` is what was tried."""
    found = []
    for result in results:
        found.append(result)
        if not as_json:
            _show(result)
    counts = counted(found)
    if as_json:
        document = {"service": of, "time": datetime.now(UTC).isoformat(timespec="seconds"), "counts": counts, "lines": [r.as_json() for r in found]}
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(", ".join(f"{number} {verdict}" for verdict, number in counts.items()))
    return 1 if counts["fail"] or (strict and counts["warn"]) else 0


def _show(result: Result) -> None:
    click.echo(f"{_MARKS[result.verdict]}  {result.line.id:<4} {result.line.level.value:<6} {result.line.words}")
    for problem in result.problems:
        click.echo(f"                   {problem}")
