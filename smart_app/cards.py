"""What became of cards in the EHR, as its CDS Hooks feedback told: the other half of the story of a code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from cds_service.store.schema import CardRow, FeedbackRow, ReviewRow
from smart_app.arrangement import Place

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
    mine = (
        select(FeedbackRow, CardRow)
        .join(CardRow, CardRow.uuid == FeedbackRow.card)
        .join(ReviewRow, ReviewRow.id == CardRow.review_id)
        .where(
            ReviewRow.tenant == place.tenant,
            FeedbackRow.tenant == place.tenant,
            ReviewRow.patient == place.patient.rpartition("/")[2],
            ReviewRow.encounter == (place.encounter.rpartition("/")[2] if place.encounter else None),
        )
        .order_by(FeedbackRow.id)
    )
    told = []
    with Session(engine) as db:
        for feedback, card in db.execute(mine).tuples():
            codes = tuple(dict.fromkeys(card.suggestions.values()))
            at = feedback.outcome_timestamp.replace(tzinfo=UTC)
            if feedback.outcome == "accepted":
                accepted = [card.suggestions[uuid] for uuid in feedback.accepted if uuid in card.suggestions]
                told += [CardTold("accepted", code, codes, card.topic, "", at, card.review_id) for code in accepted]
            else:
                reason = _REASONS.get(feedback.reason_code or "", feedback.reason_code or "")
                told.append(CardTold("overridden", "", codes, card.topic, reason, at, card.review_id))
    return tuple(told)


def last_word(told: tuple[CardTold, ...], code: str) -> CardTold | None:
    """Return what the EHR told last about a code's card."""
    return next((t for t in reversed(told) if t.code == code or (not t.code and code in t.codes)), None)
