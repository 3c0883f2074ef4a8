"""Commands for whoever installs or codes: which code sets are at hand, what is known of a code, and whether the rules hold."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import click

from cds_service.errors import RuleError
from cds_service.review.codeset import ICD10CM, CodeSet
from cds_service.review.edits import claim_findings
from cds_service.review.gaps import faults
from cds_service.review.knowledge import Knowledge
from cds_service.review.risk import in_force
from cds_service.review.sequencing import may_be_first, needs_etiology
from fhir_mappers.record import EncounterRecord, Patient, Setting

_DATE = click.DateTime(formats=["%Y-%m-%d"])


@click.group()
def codeset() -> None:
    """Code sets: which releases are at hand, and whether codes are valid on a date."""


@codeset.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_releases(as_json: bool) -> None:
    """List the releases, with the dates on which they are in force."""
    rows = [
        {
            "system": r.system,
            "version": r.version,
            "effectiveFrom": r.effective_from.isoformat(),
            "billableCodes": len(r.billable),
            **({"effectiveTo": r.effective_to.isoformat()} if r.effective_to else {}),
            **({"meantUntil": r.superseded_after.isoformat()} if r.superseded_after else {}),
        }
        for r in Knowledge.load().code_sets
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        dates = f"in force from {row['effectiveFrom']}, meant until {row.get('meantUntil', 'the next release')}"
        click.echo(f"{row['system']}  {row['version']}  {dates}: {row['billableCodes']} complete codes")


@codeset.command("check")
@click.argument("codes", nargs=-1, required=True)
@click.option("--date", "on", type=_DATE, default=None, help="Date of service; today if not given.")
@click.option("--inpatient", is_flag=True, help="Check as a claim of an inpatient stay.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(context: click.Context, codes: tuple[str, ...], on: datetime | None, inpatient: bool, as_json: bool) -> None:
    """Check CODES, in sequence, as the diagnoses of one claim. Exit code 1 if there is a critical finding."""
    day = on.date() if on else date.today()
    knowledge = Knowledge.load()
    release = knowledge.code_sets.in_force(ICD10CM, day)
    setting = Setting.INPATIENT if inpatient else Setting.OUTPATIENT
    record = EncounterRecord(Patient("unknown"), None, setting, None, None)
    found = claim_findings([c.upper() for c in codes], record, release, knowledge.edits, day)
    if as_json:
        click.echo(json.dumps([_finding(f.edit, f.codes, f.severity, f.explanation, f.remedy, f.table, f.version) for f in found], indent=2))
    else:
        for finding in found:
            click.echo(f"{finding.severity}  {finding.edit}  {finding.explanation} {finding.remedy}")
        click.echo(f"{len(found)} findings, {release.system} {release.version}", err=True)
    context.exit(1 if any(f.severity == "critical" for f in found) else 0)


def _finding(edit: str, codes: tuple[str, ...], severity: str, explanation: str, remedy: str, table: str, version: str) -> dict[str, Any]:
    return {"edit": edit, "codes": list(codes), "severity": severity, "explanation": explanation, "remedy": remedy, "table": table, "version": version}


@click.command()
@click.argument("code")
@click.option("--date", "on", type=_DATE, default=None, help="Date of service; today if not given.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(code: str, on: datetime | None, as_json: bool) -> None:
    """Show what is known of CODE: its notes, the rules that ask for it or report it, and the questions about it."""
    day = on.date() if on else date.today()
    knowledge = Knowledge.load()
    release = knowledge.code_sets.in_force(ICD10CM, day)
    code = code.upper()
    if not release.is_valid(code):
        raise click.UsageError(f"{code} is no code of {release.system} {release.version} on {day}.")
    document = explanation(code, release, knowledge, day)
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    click.echo(f"{document['code']}  {document['title']}")
    for name, value in document.items():
        if name not in ("code", "title"):
            _print(name, value)


def explanation(code: str, release: CodeSet, knowledge: Knowledge, on: date) -> dict[str, Any]:
    """Return what is known of a code, as JSON-serialisable values."""
    entries = list(release.ancestors(code))

    risk = in_force(knowledge.risk, on)

    def notes(field: str) -> list[str]:
        return [f"{e.code}: {note}" for e in entries for note in getattr(e, field)]

    return {
        "code": code,
        "title": release.title(code),
        "codeSet": f"{release.system} {release.version}",
        "billable": release.is_billable(code),
        "mayBeFirst": may_be_first(code, release),
        "followsItsCause": needs_etiology(release, code),
        "below": [f"{c} {release.title(c)}" for c in release.children(code)],
        "seventhCharacters": [f"{char} {meaning}" for char, meaning in release.seventh(code)],
        "includes": notes("inclusion"),
        "excludes1": notes("excludes1"),
        "excludes2": notes("excludes2"),
        "codeFirst": notes("code_first"),
        "useAdditional": notes("use_additional"),
        "codeAlso": notes("code_also"),
        "rules": [f"{r.id}: {r.title} ({r.source})" for r in knowledge.rules if r.in_force(on) and _touches(code, (*r.needs, *r.yields))],
        "questions": [f"{r.id}: {r.title}" for r in knowledge.gap_rules if _touches(code, tuple(x for c in r.needs for x in getattr(c, "codes", ())))],
        "riskAdjustment": [f"{h.model}: HCC {h.category} {h.label}" for h in (risk.of(code) if risk else ())],
        "symptomOf": sorted(f"{span.first}-{span.last}" for prefix, span in knowledge.integral if code.startswith(prefix)),
    }


def _touches(code: str, prefixes: Iterable[str]) -> bool:
    return any(code.startswith(p) or p.startswith(code) for p in prefixes)


def _print(name: str, value: object) -> None:
    if isinstance(value, list):
        if value:
            click.echo(f"{name}:")
            for line in value:
                click.echo(f"  {line}")
    else:
        click.echo(f"{name}: {value}")


@click.group()
def rules() -> None:
    """The rules of the review: conventions and guidelines, and documentation gaps."""


@rules.command("list")
def list_rules() -> None:
    """List all rules with their sources, in the order in which they act."""
    knowledge = Knowledge.load()
    for one in knowledge.rules:
        click.echo(f"{one.id}\t{one.title}\t{one.source}")
    for gap in knowledge.gap_rules:
        click.echo(f"{gap.id}\t{gap.title}\t{gap.source}")


@rules.command("check")
def check_rules() -> None:
    """Check every rule: codes that exist, sources, and questions that obey the law of compliant queries. Exit code 1 if one fails."""
    knowledge = Knowledge.load()
    release = next(iter(knowledge.code_sets))
    wrong = [f"{r.id}: {fault}" for r in knowledge.gap_rules for fault in faults(r)]
    for one in (*knowledge.rules, *knowledge.gap_rules):
        named = [*getattr(one, "yields", ()), *(c for x in one.needs for c in ((x,) if isinstance(x, str) else getattr(x, "codes", ())))]
        wrong += [f"{one.id}: no code begins with {code}" for code in named if not any(b.startswith(code) for b in release.billable)]
    for line in wrong:
        click.echo(line)
    if wrong:
        raise RuleError(f"{len(wrong)} faults in the rules.", "Mend the lines that are named.")
    click.echo(f"{len(tuple(knowledge.rules))} coding rules and {len(knowledge.gap_rules)} gap rules are in order", err=True)
