"""The outbox: what a person has said is to be written to the EHR, until the EHR has taken it.

A row holds codes, references and what the person decided, never words of a note. It stays after it was sent: it tells
which resource of the chart came from which decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, DateTime, Engine, Index, String, UniqueConstraint, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column, sessionmaker

from cds_service.audit import Event, Kind, Outcome, tell
from smart_app.history import Actor, Clock, Line, Place, now

_CLAIM = timedelta(seconds=90)  # a request that claimed a row and died is given up after this


class State(StrEnum):
    """Where a row stands."""

    WAITING = "waiting"  # to be sent, or to be sent again
    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"  # the server said no: copy or export instead
    CONFLICT = "conflict"  # the resource was changed in the EHR since we wrote it
    DROPPED = "dropped"  # the person changed their mind before it was sent


# How an attempt can end, and what the audit calls it; what waits again has failed.
_ENDINGS = {State.SENT: Outcome.SUCCESS, State.REFUSED: Outcome.SERIOUS_FAILURE, State.CONFLICT: Outcome.MINOR_FAILURE, State.WAITING: Outcome.MINOR_FAILURE}


class Act(StrEnum):
    """What is to be done with the resource."""

    CREATE = "create"
    RETRACT = "retract"  # entered in error
    PROVENANCE = "provenance"
    MESSAGE = "message"  # a query or an answer to one
    CLAIM = "claim"  # a claim's draft
    WITHDRAW = "withdraw"  # a draft whose place another takes: entered in error
    CHARGE = "charge"  # the draft of one charge
    UNCHARGE = "uncharge"  # a charge of what doesn't stand any more: entered in error


@dataclass(frozen=True, slots=True)
class Item:
    """One row of the outbox."""

    id: int
    place: Place
    act: Act
    subject: str  # the code, or the key of a query
    identity: str  # urn:uuid of the resource: by it the server knows that it has it
    body: Mapping[str, Any]
    state: State
    attempts: int
    problem: str | None
    location: str | None  # "Condition/1"
    etag: str | None
    after: int | None  # the row that must have been sent first
    user: str
    name: str | None
    at: datetime
    settled: datetime | None

    @property
    def open(self) -> bool:
        """True while it still has to go."""
        return self.state in (State.WAITING, State.SENDING)


class _Row(Line):
    __tablename__ = "smart_outbox"

    act: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(64))
    identity: Mapped[str] = mapped_column(String(64))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(default=0)
    problem: Mapped[str | None] = mapped_column(String(300))
    location: Mapped[str | None] = mapped_column(String(200))
    etag: Mapped[str | None] = mapped_column(String(100))
    after: Mapped[int | None]
    claimed: Mapped[datetime | None] = mapped_column(DateTime)
    settled: Mapped[datetime | None] = mapped_column(DateTime)

    __table_args__ = (
        UniqueConstraint("tenant", "identity", "act", name="smart_outbox_once"),  # a double click writes one row
        Index("smart_outbox_of_encounter", "tenant", "patient", "encounter", "id"),
        {"info": {"kept_from": "at"}},
    )


class Outbox:
    """Keeps what is to be written. Safe to share between threads."""

    def __init__(self, engine: Engine, *, clock: Clock = now) -> None:
        self._make = sessionmaker(engine)
        self._clock = clock

    def put(self, place: Place, act: Act, subject: str, identity: str, body: Mapping[str, Any], actor: Actor, *, after: int | None = None) -> int | None:
        """Keep something to be sent and return its number; None where it is there already."""
        row = _Row(
            act=act.value,
            subject=subject,
            identity=identity,
            body=dict(body),
            state=State.WAITING.value,
            attempts=0,
            after=after,
        )
        row.by(place, actor, self._clock())
        with self._make() as db:
            db.add(row)
            try:
                db.commit()
            except IntegrityError:
                db.rollback()
                return None
            return row.id

    def items(self, place: Place) -> tuple[Item, ...]:
        """Return the rows of an encounter, oldest first."""
        with self._make() as db:
            return tuple(_item(row) for row in db.scalars(select(_Row).where(_Row.of(place)).order_by(_Row.id)))

    def claim(self, item: Item) -> bool:
        """Take a row for sending; False where another request has it."""
        now = self._now()
        free = or_(_Row.state.in_((State.WAITING, State.REFUSED, State.CONFLICT)), (_Row.state == State.SENDING) & (_Row.claimed < now - _CLAIM))
        with self._make.begin() as db:
            taken = db.execute(update(_Row).where(_Row.id == item.id, free).values(state=State.SENDING.value, claimed=now, attempts=_Row.attempts + 1))
            return bool(taken.rowcount)  # type: ignore[attr-defined]

    def settle(self, item: Item, state: State, *, problem: str | None = None, location: str | None = None, etag: str | None = None) -> None:
        """Say how the sending of a row ended."""
        done = self._now() if state is State.SENT else None
        with self._make.begin() as db:
            values = {"state": state.value, "problem": problem, "location": location or item.location, "etag": etag, "settled": done}
            db.execute(update(_Row).where(_Row.id == item.id).values(values))
            if state in _ENDINGS:
                details = {"act": item.act.value, "state": state.value, "outbox": item.id}
                patient = item.place.patient.rsplit("/", 1)[-1]
                subject = location or item.location or f"Outbox/{item.id}"
                told = Event(Kind.WRITE, item.place.tenant, "smart", item.user, patient, subject, _ENDINGS[state], details)
                tell(db.connection(), told)

    def drop(self, items: Iterable[Item]) -> None:
        """Forget what was never sent."""
        numbers = [item.id for item in items]
        with self._make.begin() as db:
            unsent = _Row.state.not_in((State.SENT, State.SENDING))
            db.execute(update(_Row).where(or_(_Row.id.in_(numbers), _Row.after.in_(numbers)), unsent).values(state=State.DROPPED.value))

    def _now(self) -> datetime:
        return self._clock().astimezone(UTC).replace(tzinfo=None)


def _item(row: _Row) -> Item:
    return Item(
        id=row.id,
        place=Place(row.tenant, row.patient, row.encounter or None),
        act=Act(row.act),
        subject=row.subject,
        identity=row.identity,
        body=row.body,
        state=State(row.state),
        attempts=row.attempts,
        problem=row.problem,
        location=row.location,
        etag=row.etag,
        after=row.after,
        user=row.user,
        name=row.name,
        at=row.at.replace(tzinfo=UTC),
        settled=row.settled.replace(tzinfo=UTC) if row.settled else None,
    )
