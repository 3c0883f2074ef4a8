"""Tables of the store. No column holds note text, a name of a patient, or a token."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, Index, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Base of the tables."""


class ReviewRow(Base):
    """A review in its published form, less all words of notes and all values."""

    __tablename__ = "review"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    patient: Mapped[str] = mapped_column(String(64))
    encounter: Mapped[str | None] = mapped_column(String(64))
    created: Mapped[datetime] = mapped_column(DateTime)
    document: Mapped[dict[str, Any]] = mapped_column(JSON)

    __table_args__ = (Index("review_of_encounter", "tenant", "patient", "encounter", "created"),)


class CardRow(Base):
    """A card that was sent, so that feedback on it can be understood."""

    __tablename__ = "card"

    uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    service: Mapped[str] = mapped_column(String(64))
    topic: Mapped[str] = mapped_column(String(100))
    review_id: Mapped[str] = mapped_column(ForeignKey("review.id", ondelete="CASCADE"), index=True)
    suggestions: Mapped[dict[str, str]] = mapped_column(JSON)  # uuid of the suggestion -> code suggested


class HandleRow(Base):
    """The right to open one review in one patient's chart. Only the hash of the handle is kept."""

    __tablename__ = "handle"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    review_id: Mapped[str] = mapped_column(ForeignKey("review.id", ondelete="CASCADE"), index=True)
    patient: Mapped[str] = mapped_column(String(64))
    user: Mapped[str] = mapped_column(String(128))
    expires: Mapped[datetime] = mapped_column(DateTime)


class FeedbackRow(Base):
    """What a clinician did with a card, as the EHR told it."""

    __tablename__ = "feedback"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    tenant: Mapped[str] = mapped_column(String(64))
    service: Mapped[str] = mapped_column(String(64))
    card: Mapped[str] = mapped_column(String(64), index=True)
    outcome: Mapped[str] = mapped_column(String(16))
    accepted: Mapped[list[str]] = mapped_column(JSON)
    reason_system: Mapped[str | None] = mapped_column(String(256))
    reason_code: Mapped[str | None] = mapped_column(String(64))
    comment: Mapped[str | None] = mapped_column(Text)  # the clinician's own words to us
    outcome_timestamp: Mapped[datetime] = mapped_column(DateTime)
    received: Mapped[datetime] = mapped_column(DateTime)
