"""ReviewStore: one door to the database."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import sessionmaker

from cds_service.asking import LATER, Happened, QueryEvent
from cds_service.errors import NotFoundError
from cds_service.store.cipher import Cipher, cipher_for
from cds_service.store.engine import open_engine, writing
from cds_service.store.migrate import upgrade
from cds_service.store.schema import CardRow, FeedbackRow, HandleRow, ReviewRow

Also = Callable[[Connection], object]


@dataclass(frozen=True, slots=True)
class CardIssued:
    """A card that was sent: its uuid, its topic, which code each suggestion's uuid stands for, and which documentation queries it put."""

    uuid: str
    service: str
    topic: str
    suggestions: Mapping[str, str]
    queries: tuple[str, ...] = ()


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

    def __init__(self, url: str, *, handle_hours: int = 12, data_keys: Sequence[str] = ()) -> None:
        """Open the database and bring its tables to this version.

        Args:
            url: SQLAlchemy URL.
            handle_hours: how long a handle opens its review.
            data_keys: Fernet keys, the newest first; for SQLite a file beside the database holds one unless they are given.

        Raises:
            ConfigurationError: the database can't be opened, or a newer version has used it.
        """
        self._engine = open_engine(url)
        self._cipher = cipher_for(self._engine, data_keys)
        self._handle_life = timedelta(hours=handle_hours)
        upgrade(self._engine, self._cipher)
        self._reads = sessionmaker(self._engine)
        self._writes = sessionmaker(writing(self._engine))

    @property
    def engine(self) -> Engine:
        """The database."""
        return self._engine

    @property
    def cipher(self) -> Cipher:
        """What seals the documents."""
        return self._cipher

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

    def keep(self, tenant: str, document: Mapping[str, Any], cards: Sequence[CardIssued] = (), *, also: Also | None = None) -> None:
        """Keep a review, as `without_text` made it, and the cards that were drawn from it; `also` runs in the same transaction."""
        with self._writes.begin() as session:
            session.merge(
                ReviewRow(
                    id=document["id"],
                    tenant=tenant,
                    patient=_bare(document["patient"]),
                    encounter=_bare(document["encounter"]) if document.get("encounter") else None,
                    created=_naive(datetime.fromisoformat(document["created"])),
                    sealed=self._cipher.seal(document),
                )
            )
            session.flush()
            for c in cards:
                row = {"uuid": c.uuid, "tenant": tenant, "service": c.service, "topic": c.topic, "review_id": document["id"]}
                session.add(CardRow(**row, suggestions=dict(c.suggestions), queries=list(c.queries) or None))
            session.flush()
            if also is not None:
                also(session.connection())

    def get(self, tenant: str, review_id: str) -> dict[str, Any]:
        """Return a kept review; raises NotFoundError if this tenant has none of that id."""
        with self._reads() as session:
            row = session.get(ReviewRow, review_id)
            if row is None or row.tenant != tenant:
                raise NotFoundError("There is no review with this id.", "Use an id that a review or a card of this service gave.", field="id")
            return self._document(row)

    def latest(self, tenant: str, patient: str, encounter: str | None) -> dict[str, Any] | None:
        """Return the newest kept review of an encounter (of the patient where `encounter` is None), or None."""
        query = select(ReviewRow).where(ReviewRow.tenant == tenant, ReviewRow.patient == _bare(patient))
        if encounter is not None:
            query = query.where(ReviewRow.encounter == _bare(encounter))
        with self._reads() as session:
            row = session.scalars(query.order_by(ReviewRow.created.desc()).limit(1)).first()
            return self._document(row) if row else None

    def newest(self, tenant: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the newest kept review of each encounter of a tenant, by id of the encounter."""
        encounters = select(ReviewRow.encounter, func.max(ReviewRow.created)).where(ReviewRow.tenant == tenant, ReviewRow.encounter.is_not(None))
        newest = encounters.group_by(ReviewRow.encounter).subquery()
        encounter, created = newest.columns
        query = select(ReviewRow).join(newest, (ReviewRow.encounter == encounter) & (ReviewRow.created == created)).where(ReviewRow.tenant == tenant)
        with self._reads() as session:
            for row in session.scalars(query.order_by(ReviewRow.encounter, ReviewRow.id).execution_options(yield_per=500)):
                yield str(row.encounter), self._document(row)

    def issue_handle(self, tenant: str, review_id: str, patient: str, user: str) -> str:
        """Return a new opaque handle that opens this review for this user in this patient's chart, for a limited time."""
        handle = secrets.token_urlsafe(32)
        now = _now()
        with self._writes.begin() as session:
            session.execute(delete(HandleRow).where(HandleRow.expires < now))
            expires = now + self._handle_life
            session.add(HandleRow(digest=_digest(handle), tenant=tenant, review_id=review_id, patient=_bare(patient), user=_local(user), expires=expires))
        return handle

    def redeem(self, handle: str, tenant: str, patient: str, user: str) -> str:
        """Return the id of the review that a handle opens.

        Raises:
            NotFoundError: the handle is unknown or too old, or is not for this tenant, patient or user. It doesn't say which.
        """
        with self._reads() as session:
            row = session.get(HandleRow, _digest(handle))
            if row is None or (row.tenant, row.patient, row.user) != (tenant, _bare(patient), _local(user)) or row.expires < _now():
                raise NotFoundError("This link doesn't open a review here.", "Open the chart again and use the link of a new card.", field="appContext")
            return row.review_id

    def record_feedback(self, tenant: str, service: str, feedback: Sequence[Feedback], *, also: Also | None = None) -> None:
        """Keep what became of cards; `also` runs in the same transaction. A repeat for the same card is kept as well: the last one counts."""
        received = _now()
        with self._writes.begin() as session:
            session.add_all(
                FeedbackRow(
                    tenant=tenant,
                    service=service,
                    card=_plain(f.card, 64),
                    outcome=f.outcome,
                    accepted=list(f.accepted),
                    reason_system=f.reason_system and _plain(f.reason_system, 256),
                    reason_code=f.reason_code and _plain(f.reason_code, 64),
                    comment=None if f.comment is None else self._cipher.seal(f.comment),
                    outcome_timestamp=_naive(f.outcome_timestamp),
                    received=received,
                )
                for f in feedback
            )
            session.flush()
            if also is not None:
                also(session.connection())

    def feedback_on(self, tenant: str, card: str) -> tuple[Feedback, ...]:
        """Return all feedback on a card, oldest first."""
        with self._reads() as session:
            rows = session.scalars(select(FeedbackRow).where(FeedbackRow.tenant == tenant, FeedbackRow.card == card).order_by(FeedbackRow.id))
            return tuple(self._feedback(row) for row in rows)

    def queries_put(self, tenant: str, patient: str, encounter: str | None) -> tuple[QueryEvent, ...]:
        """Return which documentation queries cards put on an encounter (of the patient without one, where it is None), and how each was waved away."""
        columns = (CardRow.uuid, CardRow.queries, CardRow.review_id, ReviewRow.created, FeedbackRow.outcome, FeedbackRow.reason_code, FeedbackRow.received)
        of_encounter = ReviewRow.encounter == _bare(encounter) if encounter else ReviewRow.encounter.is_(None)
        query = (
            select(*columns)
            .select_from(ReviewRow)
            .join(CardRow, CardRow.review_id == ReviewRow.id)
            .outerjoin(FeedbackRow, (FeedbackRow.card == CardRow.uuid) & (FeedbackRow.tenant == tenant))
            .where(ReviewRow.tenant == tenant, ReviewRow.patient == _bare(patient), of_encounter, CardRow.queries.is_not(None))
            .order_by(FeedbackRow.id)
        )
        found: list[QueryEvent] = []
        with self._reads() as session:
            last = {row.uuid: row for row in session.execute(query)}  # the last word on a card counts
        for row in last.values():
            happened = [(Happened.ASKED, row.created)]
            if row.outcome == "overridden":
                happened.append((Happened.ASKED if row.reason_code == LATER else Happened.DISMISSED, row.received))
            found += [QueryEvent(name, what, at.replace(tzinfo=UTC), row.review_id) for name in row.queries for what, at in happened]
        return tuple(found)

    def _document(self, row: ReviewRow) -> dict[str, Any]:
        return dict(self._cipher.unseal(row.sealed))

    def _feedback(self, row: FeedbackRow) -> Feedback:
        comment = None if row.comment is None else str(self._cipher.unseal(row.comment))
        return Feedback(row.card, row.outcome, row.outcome_timestamp.replace(tzinfo=UTC), tuple(row.accepted), row.reason_system, row.reason_code, comment)


def _digest(handle: str) -> str:
    return hashlib.sha256(handle.encode()).hexdigest()


def _bare(reference: str) -> str:
    """Return the id of "Patient/1" as well as of "1"."""
    return reference.rsplit("/", 1)[-1]


def _plain(value: str, longest: int) -> str:
    """Return what a column can hold of a caller's own text: PostgreSQL takes no NUL and no longer text."""
    return value.replace("\0", "")[:longest]


def _local(user: str) -> str:
    """Return "Practitioner/7" for an absolute or a relative reference: hook and token name the same person in both ways."""
    return "/".join(user.rstrip("/").split("/")[-2:])


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
