"""What of a kept review is counted and compared: codes, confidences, edits and gaps, without evidence and words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from cds_service.store import Cipher
from cds_service.store.schema import ReviewRow
from smart_app.history import Key

_MOST = 20_000  # reviews whose few facts are remembered, some 30 MB
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One suggested code."""

    code: str
    display: str
    confidence: float
    billable: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One claim edit that the review raised."""

    edit: str
    codes: tuple[str, ...]
    critical: bool


@dataclass(frozen=True, slots=True)
class ReviewFacts:
    """What a kept review tells, without anything that isn't counted."""

    patient: str
    encounter: str
    created: datetime
    setting: str
    model: str
    suggestions: tuple[Suggestion, ...]
    findings: tuple[Finding, ...]
    asks: int
    read: int  # notes read
    left: int  # notes or parts of notes that weren't read
    reading_ms: float | None


def read_review(document: Mapping[str, Any]) -> ReviewFacts:
    """Return the facts of a kept review."""
    coverage = document.get("coverage", {})
    took = document.get("timingMs") or {}
    return ReviewFacts(
        patient=document["patient"],
        encounter=document.get("encounter") or "",
        created=datetime.fromisoformat(document["created"]),
        setting=document.get("setting", ""),
        model=f"{document['model']['name']} {document['model']['version']}",
        suggestions=tuple(Suggestion(item["code"], item["display"], item["confidence"], item.get("billable", True)) for _, item in suggested(document)),
        findings=tuple(Finding(f["edit"], tuple(f.get("codes", ())), f["severity"] == "critical") for f in document.get("claimFindings", ())),
        asks=len(document.get("queries", ())),
        read=len(coverage.get("notesRead", ())),
        left=len(coverage.get("notesSkipped", ())),
        reading_ms=sum(took.values()) if took else None,
    )


class KeptReviews:
    """The reviews of a tenant as the store keeps them. What was read of one is remembered, since a review never changes. Safe to share between threads."""

    def __init__(self, engine: Engine, cipher: Cipher) -> None:
        self._engine = engine
        self._cipher = cipher
        self._known: dict[str, ReviewFacts] = {}

    def newest(self, tenant: str) -> dict[Key, tuple[str, datetime]]:
        """Return id and time of the newest review of each encounter."""
        query = select(ReviewRow.id, ReviewRow.patient, ReviewRow.encounter, ReviewRow.created).where(ReviewRow.tenant == tenant).order_by(ReviewRow.created)
        with Session(self._engine) as db:
            return {
                (f"Patient/{patient}", f"Encounter/{encounter}" if encounter else ""): (id, created.replace(tzinfo=UTC))
                for id, patient, encounter, created in db.execute(query).tuples()
            }

    def facts(self, ids: Iterable[str]) -> dict[str, ReviewFacts]:
        """Return the facts of reviews; one that the store has deleted meanwhile is left out."""
        wanted = list(ids)
        known = self._known
        found = {id: known[id] for id in wanted if id in known}
        unknown = [id for id in wanted if id not in found]
        with Session(self._engine) as db:
            for at in range(0, len(unknown), _CHUNK):
                some = select(ReviewRow.id, ReviewRow.sealed).where(ReviewRow.id.in_(unknown[at : at + _CHUNK]))
                for id, sealed in db.execute(some).tuples():
                    found[id] = read_review(self._cipher.unseal(sealed))
        self._known = found if len(known) + len(found) > _MOST else {**known, **found}
        return found


def suggested(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield anchor and content of every code that a review suggests."""
    for kind, name in (("diagnosis", "diagnoses"), ("procedure", "procedures"), ("supply", "supplies")):
        for at, item in enumerate(document.get(name, ())):
            yield f"{kind}-{at}", item
