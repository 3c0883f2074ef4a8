"""What became of cards in the EHR, as its CDS Hooks feedback told: the other half of the story of a code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, Select, select
from sqlalchemy.orm import Session

from cds_service.store.schema import CardRow, FeedbackRow, ReviewRow
from smart_app.history import Key, Place

_REASONS = {
    "notsupported": "not supported by the record",
    "alreadydocumented": "already on the chart in other words",
    "notaddressed": "not addressed at this visit",
}


@dataclass(frozen=True, slots=True)
class CardTold:
    """One outcome of a card, for one code where a suggestion was accepted."""

    outcome: str  # "accepted" | "overridden"
    code: str  # "" where the whole card was dismissed
    codes: tuple[str, ...]  # all that the card suggested
    topic: str
    reason: str
    at: datetime
    review_id: str


def cards_told(engine: Engine, place: Place) -> tuple[CardTold, ...]:
    """Return what the EHR told about the cards of an encounter, oldest first."""
    mine = _told_of(place.tenant).where(
        ReviewRow.patient == place.patient.rpartition("/")[2],
        ReviewRow.encounter == (place.encounter.rpartition("/")[2] if place.encounter else None),
    )
    with Session(engine) as db:
        return tuple(told for feedback, card, *_ in db.execute(mine).tuples() for told in _outcomes(feedback, card))


def cards_of_tenant(engine: Engine, tenant: str) -> Iterator[tuple[Key, CardTold]]:
    """Yield what the EHR told about all cards of a tenant, with patient and encounter ("" where there is none). The last word on a card counts."""
    with Session(engine) as db:
        last = {card.uuid: (feedback, card, patient, encounter) for feedback, card, patient, encounter in db.execute(_told_of(tenant)).tuples()}
        for feedback, card, patient, encounter in last.values():
            for told in _outcomes(feedback, card):
                yield (f"Patient/{patient}", f"Encounter/{encounter}" if encounter else ""), told


def _told_of(tenant: str) -> Select[FeedbackRow, CardRow, str, str | None]:
    return (
        select(FeedbackRow, CardRow, ReviewRow.patient, ReviewRow.encounter)
        .join(CardRow, CardRow.uuid == FeedbackRow.card)
        .join(ReviewRow, ReviewRow.id == CardRow.review_id)
        .where(ReviewRow.tenant == tenant, FeedbackRow.tenant == tenant)
        .order_by(FeedbackRow.id)
    )


def _outcomes(feedback: FeedbackRow, card: CardRow) -> Iterator[CardTold]:
    codes = tuple(dict.fromkeys(card.suggestions.values()))
    at = feedback.outcome_timestamp.replace(tzinfo=UTC)
    if feedback.outcome == "accepted":
        for uuid in feedback.accepted:
            if uuid in card.suggestions:
                yield CardTold("accepted", card.suggestions[uuid], codes, card.topic, "", at, card.review_id)
    else:
        reason = _REASONS.get(feedback.reason_code or "", feedback.reason_code or "")
        yield CardTold("overridden", "", codes, card.topic, reason, at, card.review_id)


def last_word(told: tuple[CardTold, ...], code: str) -> CardTold | None:
    """Return what the EHR told last about a code's card."""
    return next((t for t in reversed(told) if t.code == code or (not t.code and code in t.codes)), None)
