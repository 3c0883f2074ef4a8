"""Which notes of a chart are read: those of the encounter, current, once each; this encounter's own first, newest first."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from fhir_mappers import elements
from fhir_mappers.chart import Chart, Entry
from fhir_mappers.encounters import EncounterFacts, written
from fhir_mappers.errors import BadResource
from fhir_mappers.notes import documents
from fhir_mappers.notes.copies import copied_from
from fhir_mappers.record import Note

_READERS: dict[str, Callable[[Entry, Chart], Note | None]] = {
    "DocumentReference": documents.document_reference,
    "Composition": documents.composition,
    "DiagnosticReport": documents.diagnostic_report,
    "ClinicalImpression": documents.clinical_impression,
}
_REPLACED = frozenset({"superseded", "replaced"})
_UNWRITTEN = frozenset({"cancelled", "registered", "abandoned", "not-done"})


@dataclass(frozen=True, slots=True)
class _Read:
    note: Note
    own: bool  # names this encounter


def notes_of(chart: Chart, facts: EncounterFacts, until: float | None = None) -> tuple[Note, ...]:
    """Return the notes of the encounter, or of the patient where no encounter is known, as far as read by `until` (monotonic seconds).

    Notes of other encounters are not read (a diagnosis is coded from the documentation of the encounter: Coding Clinic 3Q 2013, pages
    27-28), but text copied from them is recognised.
    """
    read: list[_Read] = []
    others: Counter[str] = Counter()
    earlier: list[Note] = []
    replaced = _replacements(chart)
    late = 0
    for entry in _by_weight(chart, facts):
        if until is not None and time.monotonic() > until:
            late += 1
            continue
        if reason := _not_current(entry, replaced):
            chart.skip(entry.source, reason)
            continue
        if not facts.owns(entry, chart):
            others[entry.type] += 1
            earlier += _quietly(entry, chart)
            continue
        try:
            note = _READERS[entry.type](entry, chart)
        except BadResource as error:
            chart.skip(entry.source, str(error))
            continue
        if note:
            read.append(_Read(note, facts.names(entry, chart)))
    if late:
        chart.skip("notes", f"{late} were not read: the time was up. Send fewer or shorter documents, or allow more time.")
    for kind, count in others.items():
        chart.skip(kind, f"{count} of other encounters were not read: a diagnosis is coded from the documentation of its own encounter.")
    read = _once(read, chart)
    read.sort(key=lambda r: (not r.own, r.note.is_report, -_time(r.note.date)))
    sources = copied_from([r.note for r in read] + earlier)
    return tuple(replace(r.note, copied_from=sources.get(r.note.source)) for r in read)


def _by_weight(chart: Chart, facts: EncounterFacts) -> list[Entry]:
    """Return the resources of notes, this encounter's first, newest first: what is read if the time doesn't suffice for all."""
    return sorted(chart.of_type(*_READERS), key=lambda e: (not facts.names(e, chart), -_time(written(e))))


def _quietly(entry: Entry, chart: Chart) -> Iterator[Note]:
    """Yield the note of another encounter, for comparison only: what is wrong with it is of no concern here."""
    said = len(chart.skipped)
    try:
        note = _READERS[entry.type](entry, chart)
    except BadResource:
        note = None
    del chart.skipped[said:]
    if note:
        yield note


def _not_current(entry: Entry, replaced: Mapping[str, str]) -> str | None:
    status = elements.code(entry.resource, "status")
    if status in _REPLACED:
        return "It is superseded by a newer version. Nothing to do: it is left out."
    if status in _UNWRITTEN:
        return f"Its status is {status}. Nothing to do: it is left out."
    if entry.source in replaced:
        return f"It is replaced by {replaced[entry.source]}. Nothing to do: it is left out."
    return None


def _replacements(chart: Chart) -> dict[str, str]:
    """Return replaced source -> replacing source. Where notes replace each other in a circle, the newest stays."""
    found: dict[str, str] = {}
    dates: dict[str, float] = {}
    for entry in chart.of_type("DocumentReference", "Composition"):
        dates[entry.source] = _time(elements.moment(entry.resource.get("date")))
        for target in _replaced_by(entry.resource):
            named = elements.identity(target)
            source = "/".join(named) if named else next((e.source for e in chart.entries if e.url == target), target)
            if source != entry.source:
                found[source] = entry.source
    for start in list(found):
        circle = [start]
        while (newer := found.get(circle[-1])) and newer not in circle:
            circle.append(newer)
        if newer:
            kept = max(circle[circle.index(newer) :], key=lambda s: (dates.get(s, 0.0), s))
            found.pop(kept, None)
    return found


def _replaced_by(resource: Mapping[str, Any]) -> Iterator[str]:
    for relation in elements.children(resource, "relatesTo"):
        if elements.code(relation, "code") == "replaces":
            ref = elements.reference(relation, "target") or elements.reference(relation, "targetReference")
            if ref:
                yield ref


def _once(read: list[_Read], chart: Chart) -> list[_Read]:
    """Keep one of the notes that have the same text, on the same day or as two kinds of resource.

    Servers show a report as DiagnosticReport and as DocumentReference, with dates of their own. The same text on another day as the
    same kind of resource is a copy, and stays.
    """
    kept: list[_Read] = []
    places: dict[str, list[int]] = {}
    for item in read:
        same = places.setdefault(" ".join(item.note.text.split()), [])
        place = next((p for p in same if _is_same(kept[p].note, item.note)), None)
        if place is None:
            same.append(len(kept))
            kept.append(item)
            continue
        known = kept[place]
        if item.note.is_report and not known.note.is_report:
            kept[place] = replace(known, note=replace(known.note, is_report=True))
        chart.skip(item.note.source, f"It has the same text as {known.note.source}. Nothing to do: it was read once.")
    return kept


def _is_same(one: Note, other: Note) -> bool:
    kinds = {note.source.split("/")[0] for note in (one, other)}
    days = {note.date.date() if note.date else None for note in (one, other)}
    return len(kinds) > 1 or len(days) == 1


def _time(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0
