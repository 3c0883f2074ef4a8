"""Commands for whoever installs or codes: what is known of a code, whether the rules hold, and the rules of payers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from cds_service.codesets.at_hand import AtHand, read_rules
from cds_service.config import Settings
from cds_service.errors import RuleError
from cds_service.review.codeset import ICD10CM, CodeSet
from cds_service.review.edits import told_edits
from cds_service.review.gaps import faults
from cds_service.review.knowledge import Knowledge
from cds_service.review.payer_file import payer_rules
from cds_service.review.risk import in_force
from cds_service.review.sequencing import may_be_first, needs_etiology

_DATE = click.DateTime(formats=["%Y-%m-%d"])


@click.command()
@click.argument("code")
@click.option("--date", "on", type=_DATE, default=None, help="Date of service; today if not given.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(code: str, on: datetime | None, as_json: bool) -> None:
    """Show what is known of CODE: its notes, the rules that ask for it or report it, the questions about it, its risk category and its edits."""
    day = on.date() if on else date.today()
    settings = Settings.load()
    knowledge = AtHand(settings.data).knowledge(settings.claim_tables)
    release = knowledge.code_sets.in_force(ICD10CM, day)
    code = code.upper()
    if not release.is_valid(code):
        gone = release.retired.get(code)
        told = f" {gone.told()}" if gone else ""
        raise click.UsageError(f"{code} is no code of {release.system} {release.version} on {day}.{told}")
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
        "edits": told_edits(code, knowledge.edits, release, on),
        "coveredFor": [f"{p.id} {p.title}: {service}" for service, known in sorted(knowledge.claims.policies.items()) for p in known if code in p.covered],
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
    """List all rules with their sources, in the order in which they act; those of payers last."""
    knowledge = AtHand(Settings.load().data).knowledge()
    for one in knowledge.rules:
        click.echo(f"{one.id}\t{one.title}\t{one.source}")
    for gap in knowledge.gap_rules:
        click.echo(f"{gap.id}\t{gap.title}\t{gap.source}")
    for payer in knowledge.payers:
        for own in payer.rules:
            click.echo(f"payer.{own.id}\t{own.title}\t{payer.payer}: {own.source}")


@rules.command("check")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE...]")
def check_rules(files: tuple[Path, ...]) -> None:
    """Check the rules, or payers' rule FILEs with the tests inside them. Exit code 1 if one fails.

    Without FILE: codes that exist, sources, questions that obey the law of compliant queries, and the payers' rules in force.
    """
    if files:
        releases = AtHand(Settings.load().data).library.shelf().code_sets
        for path in files:
            checked = payer_rules(path.name, read_rules(path), releases)
            tests = sum(len(r.tests) for r in checked.rules)
            click.echo(f"{path.name}: {len(checked.rules)} rules of {checked.payer} are in order, {tests} tests passed", err=True)
        return
    knowledge = AtHand(Settings.load().data).knowledge()
    release = knowledge.code_sets.in_force(ICD10CM, max(r.effective_from for r in knowledge.code_sets.of(ICD10CM)))
    wrong = [f"{r.id}: {fault}" for r in knowledge.gap_rules for fault in faults(r)]
    for one in (*knowledge.rules, *knowledge.gap_rules):
        named = [*getattr(one, "yields", ()), *(c for x in one.needs for c in ((x,) if isinstance(x, str) else getattr(x, "codes", ())))]
        wrong += [f"{one.id}: no code begins with {code}" for code in named if not any(b.startswith(code) for b in release.billable)]
    for line in wrong:
        click.echo(line)
    if wrong:
        raise RuleError(f"{len(wrong)} faults in the rules.", "Mend the lines that are named.")
    click.echo(f"{len(tuple(knowledge.rules))} coding rules and {len(knowledge.gap_rules)} gap rules are in order", err=True)


@rules.command("add")
@click.argument("file", type=click.Path(path_type=Path))
def add_rules(file: Path) -> None:
    """Check a payer's rule FILE and put it in force, in place of an earlier file of the same name. A running service follows within seconds."""
    hand = AtHand(Settings.load().data)
    added = hand.put_rules(file, hand.library.shelf().code_sets)
    click.echo(f"{len(added.rules)} rules of {added.payer}, version {added.version}, are in force", err=True)


@rules.command("remove")
@click.argument("name")
def remove_rules(name: str) -> None:
    """Take a payer's rule file out of force."""
    AtHand(Settings.load().data).drop_rules(name)
    click.echo(f"{name} is out of force", err=True)
