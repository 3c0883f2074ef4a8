"""The review of one encounter: the list of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from cds_service.review.admission import with_admission
from cds_service.review.assembly import assembled
from cds_service.review.case import open_case
from cds_service.review.codeset_gate import in_force_only
from cds_service.review.edits import payer_view
from cds_service.review.gaps import queries
from cds_service.review.knowledge import Knowledge
from cds_service.review.model import CodingReview, ModelUsed, SkippedNote
from cds_service.review.procedures import services
from cds_service.review.selection import propose
from cds_service.review.sequencing import sequenced
from fhir_mappers.record import EncounterRecord
from onnx_models.reading import NoteReading


def review(
    record: EncounterRecord,
    readings: Mapping[str, NoteReading],
    knowledge: Knowledge,
    *,
    id: str,
    created: datetime,
    today: date,
    model: ModelUsed,
    skipped: Sequence[SkippedNote] = (),
    timing_ms: Sequence[tuple[str, float]] = (),
) -> CodingReview:
    """Return the coded review of an encounter. Pure: the same arguments give the same review, in whatever order the record lists its parts.

    Args:
        record: the encounter with its notes and structured data.
        readings: what the engine found, by `Note.source`; a note without a reading is not read.
        knowledge: code sets, tables and rules.
        id: name of the review.
        created: moment of the review.
        today: date of service where the encounter gives none.
        model: the model that read the notes.
        skipped: input that was not, or not wholly, read.
        timing_ms: stages that came before, by name.

    Raises:
        NoCodeSetInForce: no ICD-10-CM release is in force on the date of service.
    """
    case = open_case(record, readings, knowledge, today)
    sheet = in_force_only(knowledge.rules.settle(propose(case), case), case)
    lines = with_admission(sequenced(sheet, case), case)
    asked = queries(lines, case)
    payer = payer_view(lines, case)
    done = services(case)
    return assembled(case, lines, sheet.left_out, asked, payer, done, id=id, created=created, model=model, skipped=skipped, timing_ms=timing_ms)
