"""Which notes of a chart are read: those of the encounter, current, once each; this encounter's own first, newest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fhir_mappers.chart import Chart, Entry
from fhir_mappers.encounters import EncounterFacts
from fhir_mappers.errors import BadResource
from fhir_mappers.notes import documents
from fhir_mappers.record import Note

_READERS: dict[str, Callable[[Entry, Chart], Note | None]] = {
    "DocumentReference": documents.document_reference,
    "Composition": documents.composition,
    "DiagnosticReport": documents.diagnostic_report,
    "ClinicalImpression": documents.clinical_impression,
}


@dataclass(frozen=True, slots=True)
class _Read:
    note: Note
    own: bool


def notes_of(chart: Chart, facts: EncounterFacts) -> tuple[Note, ...]:
    """Return the notes of the encounter, or of the patient where no encounter is known."""
    read: list[_Read] = []
    for entry in chart.of_type(*_READERS):
        if not facts.owns(entry, chart):
            continue
        try:
            note = _READERS[entry.type](entry, chart)
        except BadResource as error:
            chart.skip(entry.source, str(error))
            continue
        if note:
            read.append(_Read(note, facts.names(entry, chart)))
    read.sort(key=lambda r: (not r.own, r.note.is_report, -_time(r.note.date)))
    return tuple(r.note for r in read)


def _time(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0
