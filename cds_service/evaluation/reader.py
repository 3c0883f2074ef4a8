"""One text through the whole product, as a user of `marginalia code` gets it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime

from cds_service.review.knowledge import Knowledge
from cds_service.review.model import CodingReview, ModelUsed
from cds_service.review.review import review
from fhir_mappers.record import EncounterRecord, Note, Patient, Setting
from onnx_models.coder import PIECES, NoteCoder
from onnx_models.reading import NoteReading

__all__ = ["PIECES", "Product", "ranked_codes"]

_DATE = date(2026, 3, 1)  # inside the code set that all gold uses


@dataclass(frozen=True)
class Product:
    """Engine and review together."""

    coder: NoteCoder
    knowledge: Knowledge

    @classmethod
    def load(cls) -> Product:
        """Load the committed artefacts and tables."""
        return cls(NoteCoder.load(), Knowledge.load())

    def without(self, pieces: Collection[str]) -> Product:
        """Return the product with pieces of the engine switched off: see PIECES."""
        return Product(self.coder.without(pieces), self.knowledge) if pieces else self

    def code(self, text: str, setting: str = "outpatient") -> tuple[NoteReading, CodingReview]:
        """Return the reading and the review of one note."""
        moment = datetime(_DATE.year, _DATE.month, _DATE.day, 12, tzinfo=UTC)
        reading = self.coder.read(text)
        record = EncounterRecord(Patient("evaluation"), None, Setting(setting), moment, moment, notes=(Note("DocumentReference/evaluation", text, ""),))
        model = ModelUsed(self.coder.model.name, self.coder.model.version, self.coder.model.sha256)
        return reading, review(record, {"DocumentReference/evaluation": reading}, self.knowledge, id="evaluation", created=moment, today=_DATE, model=model)


def ranked_codes(reading: NoteReading) -> list[tuple[str, float]]:
    """Return every candidate code of a reading with its best score, best first."""
    best: dict[str, float] = {}
    for mention in reading.mentions:
        for candidate in mention.candidates:
            best[candidate.code] = max(best.get(candidate.code, 0.0), candidate.score)
    return sorted(best.items(), key=lambda kv: (-kv[1], kv[0]))
