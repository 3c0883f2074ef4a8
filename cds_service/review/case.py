"""The case under review: one encounter record, what the engine read in its notes, and the code set of its date.

Nothing here decides. A case answers questions ("where is this said, and how is it asserted?") for the rules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from cds_service.review.codeset import ICD10CM, CodeSet
from cds_service.review.knowledge import Knowledge
from cds_service.review.model import Evidence, EvidenceKind
from fhir_mappers.record import EncounterRecord, Note, Setting
from onnx_models.reading import Mention, NoteReading

_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Statement:
    """Words of one note that may name a condition, with the evidence they give."""

    note: Note
    order: int  # place of the note among the notes, oldest first
    mention: Mention
    evidence: Evidence

    @property
    def place(self) -> tuple[int, int, int]:
        """Position in the record: note, begin, end."""
        return self.order, self.mention.begin, self.mention.end


@dataclass(frozen=True)
class Case:
    """One encounter to be coded."""

    record: EncounterRecord
    readings: Mapping[str, NoteReading]
    knowledge: Knowledge
    codes: CodeSet
    on: date  # date of service or discharge: decides which codes and rules are in force
    notes: tuple[Note, ...]  # read notes, oldest first
    statements: tuple[Statement, ...]  # in order of place

    @property
    def inpatient(self) -> bool:
        """True where guideline sections II and III apply (else IV)."""
        return self.record.setting is Setting.INPATIENT


def note_sha256(note: Note) -> str:
    """Return the SHA-256 of the UTF-8 text of a note, in hex."""
    return hashlib.sha256(note.text.encode()).hexdigest()


def open_case(record: EncounterRecord, readings: Mapping[str, NoteReading], knowledge: Knowledge, today: date) -> Case:
    """Return the case of a record, in an order that doesn't depend on the order of its parts.

    Raises:
        NoCodeSetInForce: no ICD-10-CM release is in force on the date of service.
    """
    on = record.service_date(today)
    notes = tuple(sorted((n for n in record.notes if n.source in readings), key=_age))
    return Case(record, readings, knowledge, knowledge.code_sets.in_force(ICD10CM, on), on, notes, tuple(_statements(notes, readings)))


def _age(note: Note) -> tuple[datetime, str]:
    when = note.date or _LONG_AGO
    return when if when.tzinfo else when.replace(tzinfo=UTC), note.source


def _statements(notes: Iterable[Note], readings: Mapping[str, NoteReading]) -> Iterable[Statement]:
    for order, note in enumerate(notes):
        sha256 = note_sha256(note)
        for mention in sorted(readings[note.source].mentions, key=lambda m: (m.begin, m.end)):
            yield Statement(note, order, mention, evidence_of(note, sha256, mention))


def evidence_of(note: Note, sha256: str, mention: Mention) -> Evidence:
    """Return a mention as evidence: the verbatim slice of its note."""
    return Evidence(
        EvidenceKind.NOTE,
        note.source,
        note.text[mention.begin : mention.end],
        mention.begin,
        mention.end,
        mention.section,
        mention.assertion,
        sha256,
        note.date,
    )
