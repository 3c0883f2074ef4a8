"""Tables of the store. No column holds note text, a name of a patient, or a token."""

from __future__ import annotations

from datetime import datetime
from importlib import metadata

from sqlalchemy import JSON, DateTime, ForeignKey, Index, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

PLUGINS = "marginalia.blueprints"


class Base(DeclarativeBase):
    """Base of every table of the product, the app's included: the steps in `migrations` are made from its metadata.

    A table with the columns `tenant` and `patient` is about a patient: `marginalia erase` clears it. One whose
    `info={"kept_from": "<column>"}` names a time is cleared by the retention.
    """


def every_table() -> MetaData:
    """Return the metadata with the tables of the service, the audit and every plug-in."""
    import cds_service.access.schema
    import cds_service.audit.schema  # noqa: F401 - it declares its tables on our base

    for entry in metadata.entry_points(group=PLUGINS):
        entry.load()
    return Base.metadata


class ReviewRow(Base):
    """A review in its published form, less all words of notes and all values."""

    __tablename__ = "review"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    patient: Mapped[str] = mapped_column(String(64))
    encounter: Mapped[str | None] = mapped_column(String(64))
    created: Mapped[datetime] = mapped_column(DateTime)
    sealed: Mapped[str] = mapped_column(Text)  # the document, readable with the data keys only

    __table_args__ = (Index("review_of_encounter", "tenant", "patient", "encounter", "created"), {"info": {"kept_from": "created"}})


class CardRow(Base):
    """A card that was sent, so that feedback on it can be understood."""

    __tablename__ = "card"

    uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    service: Mapped[str] = mapped_column(String(64))
    topic: Mapped[str] = mapped_column(String(100))
    review_id: Mapped[str] = mapped_column(ForeignKey("review.id", ondelete="CASCADE"), index=True)
    suggestions: Mapped[dict[str, str]] = mapped_column(JSON)  # uuid of the suggestion -> code suggested
    queries: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))  # ids of the documentation queries that it put


class HandleRow(Base):
    """The right to open one review in one patient's chart. Only the hash of the handle is kept."""

    __tablename__ = "handle"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    review_id: Mapped[str] = mapped_column(ForeignKey("review.id", ondelete="CASCADE"), index=True)
    patient: Mapped[str] = mapped_column(String(64))
    user: Mapped[str] = mapped_column(String(128))
    expires: Mapped[datetime] = mapped_column(DateTime, index=True)


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
    comment: Mapped[str | None] = mapped_column(Text)  # the clinician's own words to us, sealed
    outcome_timestamp: Mapped[datetime] = mapped_column(DateTime)
    received: Mapped[datetime] = mapped_column(DateTime)

    __table_args__ = ({"info": {"kept_from": "received"}},)
