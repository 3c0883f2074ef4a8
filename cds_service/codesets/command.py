"""`marginalia codeset`: import a year's official files, see and compare what is at hand, check codes, and go back."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from cds_service.codesets.at_hand import AtHand
from cds_service.codesets.comparison import Comparison, compared
from cds_service.codesets.library import FAMILIES, Choices, Held
from cds_service.config import Settings
from cds_service.errors import CodeSetError
from cds_service.review.codeset import ICD10CM, ICD10PCS, CodeSet
from cds_service.review.edits import claim_findings
from cds_service.review.snomed import Who, mapped
from fhir_mappers.record import EncounterRecord, Patient, Setting
from fhir_mappers.systems import CPT, HCPCS

_DATE = click.DateTime(formats=["%Y-%m-%d"])
_SYSTEMS = {"icd-10-cm": ICD10CM, "icd-10-pcs": ICD10PCS, "hcpcs": HCPCS, "cpt": CPT}
_SHOWN = 200  # codes of a comparison on the terminal


def at_hand() -> AtHand:
    """Return the data folder of the settings."""
    return AtHand(Settings.load().data)


@click.group()
def codeset() -> None:
    """Code sets: import a year's official files, see what is at hand, and whether codes are valid on a date.

    What is imported is kept in the data folder (setting `data`, MARGINALIA_DATA). A running service follows within seconds.
    """


@codeset.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE|FOLDER|ZIP|XLSX...")
@click.option("--from", "begins", type=_DATE, help="First day in force, where the names of the files don't tell: an update within the year.")
@click.option("--until", type=_DATE, help="Last day that the publisher means the release for.")
@click.option("--supersede", is_flag=True, help="Take the place of a release of the same beginning, or begin within another that then ends the day before.")
@click.option("--accept-losses", is_flag=True, help="Accept a release that drops more than a tenth of the codes before it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_files(paths: tuple[Path, ...], begins: datetime | None, until: datetime | None, supersede: bool, accept_losses: bool, as_json: bool) -> None:
    """Import the official files of one release: ICD-10-CM, ICD-10-PCS, HCPCS Level II, CPT (licensed), CMS-HCC mapping, SNOMED CT map.

    Give the files of a release together, with the publisher's names, or the ZIP as it was downloaded: they are checked against each other. All or nothing:
    a file that is damaged, mixed up or overlaps what is at hand is refused with its line, and what was in force stays so.
    """
    choices = Choices(begins.date() if begins else None, until.date() if until else None, supersede, accept_losses)
    hand = at_hand()
    held, others = hand.library.bring(paths, choices)
    for name in others:
        click.echo(f"Not read, no official file by its name: {name}", err=True)
    if as_json:
        click.echo(json.dumps([_imported(h) for h in held], indent=2))
        return
    shelf = hand.library.shelf()
    for one in held:
        click.echo(f"{one.family} {one.version}: {one.codes} codes, in force from {one.effective_from}, meant until {one.meant_until}")
        own = next((r for r in shelf.code_sets if _SYSTEMS.get(one.family) == r.system and r.effective_from == one.terms.effective_from), None)
        before = next((r for r in reversed(shelf.code_sets.of(own.system)) if r.effective_from < own.effective_from), None) if own else None
        if own and before:
            told = compared(before, own)
            click.echo(f"  against {before.version}: {len(told.added)} added, {len(told.deleted)} deleted, {len(told.revised)} revised")


@codeset.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_releases(as_json: bool) -> None:
    """List the releases, with the dates on which they are in force."""
    hand = at_hand()
    shelf = hand.library.shelf()
    imported = {(_SYSTEMS.get(h.family), h.effective_from) for h in hand.library.held()}
    rows: list[dict[str, Any]] = [
        {
            "system": r.system,
            "version": r.version,
            "effectiveFrom": r.effective_from.isoformat(),
            "billableCodes": len(r.billable),
            "source": "imported" if (r.system, r.effective_from.isoformat()) in imported else "package",
            **({"effectiveTo": r.effective_to.isoformat()} if r.effective_to else {}),
            **({"meantUntil": r.superseded_after.isoformat()} if r.superseded_after else {}),
        }
        for r in shelf.code_sets
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        until = f"until {row['effectiveTo']}" if "effectiveTo" in row else f"meant until {row.get('meantUntil', 'the next release')}"
        click.echo(f"{row['system']}  {row['version']}  in force from {row['effectiveFrom']}, {until}: {row['billableCodes']} complete codes ({row['source']})")
    for one in shelf.maps:
        click.echo(f"SNOMED CT to ICD-10-CM  {one.version}: {len(one)} concepts (imported)")
    for model in shelf.risk:
        click.echo(f"CMS-HCC V28  payment year {model.payment_year}: {len(model.categories)} diagnoses")


@codeset.command("diff")
@click.argument("one")
@click.argument("other")
@click.option("--system", type=click.Choice(sorted(_SYSTEMS)), default="icd-10-cm", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def diff(one: str, other: str, system: str, as_json: bool) -> None:
    """Compare two releases, by version or year: codes added, deleted with their successors, and revised."""
    shelf = at_hand().library.shelf()
    releases = []
    for name in (one, other):
        release = shelf.code_sets.named(_SYSTEMS[system], name)
        if release is None:
            names = ", ".join(f"{r.version} ({r.year})" for r in shelf.code_sets.of(_SYSTEMS[system])) or "none"
            raise CodeSetError(f"There is no release {name} of {system}.", f"At hand are: {names}.")
        releases.append(release)
    told = compared(releases[0], releases[1])
    if as_json:
        click.echo(json.dumps(_compared(told), indent=2, ensure_ascii=False))
        return
    for mark, lines in (("+", told.added), ("-", told.deleted), ("~", told.revised)):
        for line in lines[:_SHOWN]:
            click.echo(f"{mark} {line.code}\t{line.title}" + (f"\t{line.note}" if line.note else ""))
        if len(lines) > _SHOWN:
            click.echo(f"{mark} ... and {len(lines) - _SHOWN} more; --json gives all")
    click.echo(f"{len(told.added)} added, {len(told.deleted)} deleted, {len(told.revised)} revised", err=True)


@codeset.command("remove")
@click.argument("version")
@click.option("--system", type=click.Choice(FAMILIES), default="icd-10-cm", show_default=True)
def remove(version: str, system: str) -> None:
    """Take an imported release out of force. `rollback` brings it back."""
    gone = at_hand().library.remove(system, version)
    click.echo(f"{gone.family} {gone.version} is out of force", err=True)


@codeset.command("rollback")
def rollback() -> None:
    """Return to what was imported before the last import, removal or rollback."""
    held = at_hand().library.roll_back()
    click.echo(f"Imported are now: {', '.join(f'{h.family} {h.version}' for h in held) or 'none'}", err=True)


@codeset.command("check")
@click.argument("codes", nargs=-1, required=True)
@click.option("--date", "on", type=_DATE, default=None, help="Date of service; today if not given.")
@click.option("--inpatient", is_flag=True, help="Check as a claim of an inpatient stay.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(context: click.Context, codes: tuple[str, ...], on: datetime | None, inpatient: bool, as_json: bool) -> None:
    """Check CODES, in sequence, as the diagnoses of one claim. Exit code 1 if there is a critical finding."""
    day = on.date() if on else date.today()
    knowledge = at_hand().knowledge()
    release: CodeSet = knowledge.code_sets.in_force(ICD10CM, day)
    setting = Setting.INPATIENT if inpatient else Setting.OUTPATIENT
    record = EncounterRecord(Patient("unknown"), None, setting, None, None)
    found = claim_findings([c.upper() for c in codes], record, release, knowledge.edits, day)
    if as_json:
        keys = ("edit", "severity", "explanation", "remedy", "table", "version")
        click.echo(json.dumps([{"codes": list(f.codes), **{k: getattr(f, k) for k in keys}} for f in found], indent=2))
    else:
        for finding in found:
            click.echo(f"{finding.severity}  {finding.edit}  {finding.explanation} {finding.remedy}")
        click.echo(f"{len(found)} findings, {release.system} {release.version}", err=True)
    context.exit(1 if any(f.severity == "critical" for f in found) else 0)


@codeset.command("map")
@click.argument("concept")
@click.option("--date", "on", type=_DATE, default=None, help="Date of service; today if not given.")
@click.option("--sex", type=click.Choice(("female", "male")), help="Of the patient.")
@click.option("--onset-years", type=click.FloatRange(0, 130), help="Age in years when the condition began.")
@click.option("--with", "others", multiple=True, metavar="CONCEPT", help="Another concept of the same problem list.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def map_concept(concept: str, on: datetime | None, sex: str | None, onset_years: float | None, others: tuple[str, ...], as_json: bool) -> None:
    """Show what the imported map makes of the SNOMED CT CONCEPT (its identifier) in ICD-10-CM."""
    day = on.date() if on else date.today()
    shelf = at_hand().library.shelf()
    by = max((m for m in shelf.maps if m.effective_from <= day), key=lambda m: m.effective_from, default=None)
    if by is None:
        raise CodeSetError("There is no map of SNOMED CT to ICD-10-CM for this day.", "Import the Extended Map Snapshot of the US Edition.")
    release = shelf.code_sets.in_force(ICD10CM, day)
    found = mapped(concept, by, Who(sex, onset_years * 365.25 if onset_years is not None else None, frozenset(others)), release)
    if as_json:
        told = {"map": by.version, "codes": list(found.codes), "advice": list(found.advice), "possible": list(found.possible)}
        click.echo(json.dumps(told, indent=2))
        return
    for code in found.codes:
        click.echo(f"{code}\t{release.title(code)}")
    for words in found.advice:
        click.echo(f"open: {words}" + (f" (one of {', '.join(found.possible)})" if found.possible else ""))
    if not found.codes and not found.advice:
        click.echo("not in the map, or can't be classified")


def _imported(held: Held) -> dict[str, Any]:
    return {
        "system": held.family,
        "version": held.version,
        "effectiveFrom": held.effective_from,
        "meantUntil": held.meant_until,
        "codes": held.codes,
        "files": [{"name": name, "sha256": sha256} for name, sha256 in held.files],
    }


def _compared(told: Comparison) -> dict[str, Any]:
    def lines(kind: str) -> list[dict[str, Any]]:
        return [{"code": x.code, "title": x.title, **({"note": x.note} if x.note else {})} for x in getattr(told, kind)]

    return {kind: lines(kind) for kind in ("added", "deleted", "revised")}
