"""ReviewStore: one door to the database."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import Any

from sqlalchemy import Engine, create_engine, delete, event, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import sessionmaker
from sqlalchemy.pool import StaticPool

from cds_service.errors import ConfigurationError, NotFoundError
from cds_service.store.schema import Base, CardRow, FeedbackRow, HandleRow, ReviewRow


@dataclass(frozen=True, slots=True)
class CardIssued:
    """A card that was sent: its uuid, its topic, and which code each suggestion's uuid stands for."""

    uuid: str
    service: str
    topic: str
    suggestions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Feedback:
    """The outcome of one card."""

    card: str
    outcome: str  # "accepted" | "overridden"
    outcome_timestamp: datetime
    accepted: tuple[str, ...] = ()  # uuids of suggestions
    reason_system: str | None = None
    reason_code: str | None = None
    comment: str | None = None


class ReviewStore:
    """Keeps reviews, cards, handles and feedback, each under its tenant. Safe to share between threads."""

    def __init__(self, url: str, *, handle_hours: int = 12) -> None:
        """Open the database and create missing tables.

        Raises:
            ConfigurationError: the database can't be opened.
        """
        self._engine = _engine(url)
        self._handle_life = timedelta(hours=handle_hours)
        self._sessions = sessionmaker(self._engine)
        try:
            Base.metadata.create_all(self._engine)
        except SQLAlchemyError as error:
            raise _wrong(f"The database can't be opened ({type(error).__name__}).", "Check the setting and that its folder can be written.") from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def is_alive(self) -> bool:
        """Tell whether the database answers."""
        try:
            with self._engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True

    def keep(self, tenant: str, document: Mapping[str, Any], cards: Sequence[CardIssued] = ()) -> None:
        """Keep a review, as `without_text` made it, and the cards that were drawn from it."""
        with self._sessions.begin() as session:
            session.merge(
                ReviewRow(
                    id=document["id"],
                    tenant=tenant,
                    patient=_bare(document["patient"]),
                    encounter=_bare(document["encounter"]) if document.get("encounter") else None,
                    created=_naive(datetime.fromisoformat(document["created"])),
                    document=dict(document),
                )
            )
            session.flush()
            for c in cards:
                session.add(CardRow(uuid=c.uuid, tenant=tenant, service=c.service, topic=c.topic, review_id=document["id"], suggestions=dict(c.suggestions)))

    def get(self, tenant: str, review_id: str) -> dict[str, Any]:
        """Return a kept review; raises NotFoundError if this tenant has none of that id."""
        with self._sessions() as session:
            row = session.get(ReviewRow, review_id)
            if row is None or row.tenant != tenant:
                raise NotFoundError("There is no review with this id.", "Use an id that a review or a card of this service gave.", field="id")
            return dict(row.document)

    def latest(self, tenant: str, patient: str, encounter: str | None) -> dict[str, Any] | None:
        """Return the newest kept review of an encounter (of the patient where `encounter` is None), or None."""
        query = select(ReviewRow).where(ReviewRow.tenant == tenant, ReviewRow.patient == _bare(patient))
        if encounter is not None:
            query = query.where(ReviewRow.encounter == _bare(encounter))
        with self._sessions() as session:
            row = session.scalars(query.order_by(ReviewRow.created.desc()).limit(1)).first()
            return dict(row.document) if row else None

    def issue_handle(self, tenant: str, review_id: str, patient: str, user: str) -> str:
        """Return a new opaque handle that opens this review for this user in this patient's chart, for a limited time."""
        handle = secrets.token_urlsafe(32)
        now = _now()
        with self._sessions.begin() as session:
            session.execute(delete(HandleRow).where(HandleRow.expires < now))
            expires = now + self._handle_life
            session.add(HandleRow(digest=_digest(handle), tenant=tenant, review_id=review_id, patient=_bare(patient), user=_local(user), expires=expires))
        return handle

    def redeem(self, handle: str, tenant: str, patient: str, user: str) -> str:
        """Return the id of the review that a handle opens.

        Raises:
            NotFoundError: the handle is unknown or too old, or is not for this tenant, patient or user. It doesn't say which.
        """
        with self._sessions() as session:
            row = session.get(HandleRow, _digest(handle))
            if row is None or (row.tenant, row.patient, row.user) != (tenant, _bare(patient), _local(user)) or row.expires < _now():
                raise NotFoundError("This link doesn't open a review here.", "Open the chart again and use the link of a new card.", field="appContext")
            return row.review_id

    def record_feedback(self, tenant: str, service: str, feedback: Sequence[Feedback]) -> None:
        """Keep what became of cards. A repeat for the same card is kept as well: the last one counts."""
        received = _now()
        with self._sessions.begin() as session:
            session.add_all(
                FeedbackRow(
                    tenant=tenant,
                    service=service,
                    card=f.card,
                    outcome=f.outcome,
                    accepted=list(f.accepted),
                    reason_system=f.reason_system,
                    reason_code=f.reason_code,
                    comment=f.comment,
                    outcome_timestamp=_naive(f.outcome_timestamp),
                    received=received,
                )
                for f in feedback
            )

    def feedback_on(self, tenant: str, card: str) -> tuple[Feedback, ...]:
        """Return all feedback on a card, oldest first."""
        with self._sessions() as session:
            rows = session.scalars(select(FeedbackRow).where(FeedbackRow.tenant == tenant, FeedbackRow.card == card).order_by(FeedbackRow.id))
            return tuple(
                Feedback(r.card, r.outcome, r.outcome_timestamp.replace(tzinfo=UTC), tuple(r.accepted), r.reason_system, r.reason_code, r.comment) for r in rows
            )


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(parsed)
        return create_engine(parsed, pool_pre_ping=True)
    except ArgumentError as error:
        raise _wrong("The setting 'database_url' names no known kind of database.", "Expected e.g. sqlite:////var/lib/marginalia/marginalia.sqlite.") from error
    except ImportError as error:
        raise _wrong(f"The driver of the database is missing ({error.name}).", "Install it: for PostgreSQL, the extra `postgres`.") from error


def _sqlite(url: URL) -> Engine:
    if url.database in (None, "", ":memory:"):
        # One connection for all threads: another one would see another, empty database.
        engine = create_engine(url, connect_args={"check_same_thread": False}, poolclass=StaticPool)
    else:
        try:
            Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _wrong(f"The folder of the database can't be made ({error.strerror}).", "Set 'database_url' to a place that can be written.") from error
        engine = create_engine(url)
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: SqliteConnection, _record: object) -> None:
    with closing(connection.cursor()) as cursor:
        # Readers don't wait for the writer; a commit survives a crash of the process.
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA busy_timeout=5000")


def _digest(handle: str) -> str:
    return hashlib.sha256(handle.encode()).hexdigest()


def _wrong(message: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(message, remedy, field="database_url")


def _bare(reference: str) -> str:
    """Return the id of "Patient/1" as well as of "1"."""
    return reference.rsplit("/", 1)[-1]


def _local(user: str) -> str:
    """Return "Practitioner/7" for an absolute or a relative reference: hook and token name the same person in both ways."""
    return "/".join(user.rstrip("/").split("/")[-2:])


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
