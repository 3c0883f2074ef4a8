"""Who works on which encounter, and which are finished. A history, never overwritten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import Engine, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from cds_service.audit import Event, Kind, audited
from smart_app.errors import DecisionConflict
from smart_app.history import Actor, Clock, Key, Line, Place, add_next, now


class Move(StrEnum):
    """What happens to an encounter on the work list."""

    TAKE = "take"  # by the person themselves
    RELEASE = "release"
    FINISH = "finish"
    REOPEN = "reopen"


@dataclass(frozen=True, slots=True)
class Standing:
    """How an encounter stands on the work list."""

    id: int = 0
    assignee: str = ""  # fhirUser; "" where nobody has it
    assignee_name: str = ""
    finished: bool = False
    who: str = ""
    at: datetime | None = None


class _Columns(Line):
    __abstract__ = True

    move: Mapped[str] = mapped_column(String(16))
    assignee: Mapped[str] = mapped_column(String(300), default="")
    assignee_name: Mapped[str] = mapped_column(String(100), default="")
    follows: Mapped[int]


def _arguments(table: str) -> tuple[object, ...]:
    return (UniqueConstraint("tenant", "patient", "encounter", "follows", name=f"{table}_one_after_another"), {"info": {"kept_from": "at"}})


class _Row(_Columns):
    __tablename__ = "smart_assignment"
    __table_args__ = _arguments("smart_assignment")


class _SecondRow(_Columns):
    """Who reads an encounter a second time."""

    __tablename__ = "smart_second_assignment"
    __table_args__ = _arguments("smart_second_assignment")


def _change(row: _Columns) -> Event:
    details = {"move": row.move} | ({"reading": 2} if isinstance(row, _SecondRow) else {})
    return Event(Kind.CHANGE, row.tenant, "smart", row.user, row.patient.rsplit("/", 1)[-1], f"Assignment/{row.id}", details=details)


audited(_Row, _change)
audited(_SecondRow, _change)


class Assignments:
    """Keeps assignments, of the coding itself or of second readings. Safe to share between threads."""

    def __init__(self, engine: Engine, *, second: bool = False, clock: Clock = now) -> None:
        self._make = sessionmaker(engine)
        self._row: type[_Columns] = _SecondRow if second else _Row
        self._clock = clock

    def standing(self, place: Place) -> Standing:
        """Return how an encounter stands."""
        with self._make() as db:
            return self._standing(db, place)

    def all(self, tenant: str) -> dict[Key, Standing]:
        """Return how the encounters of a tenant stand, by patient and encounter."""
        with self._make() as db:
            # Columns, not rows: a tenant's encounters are many.
            columns = [getattr(self._row, name) for name in ("patient", "encounter", *_READ)]
            rows = db.execute(select(*columns).where(self._row.tenant == tenant).order_by(self._row.id)).tuples()
            return {(patient, encounter): _told(*values) for patient, encounter, *values in rows}

    def move(self, place: Place, move: Move, actor: Actor, *, seen: int) -> Standing:
        """Record a move and return how the encounter stands; raises DecisionConflict where somebody was faster."""
        with self._make() as db:
            standing = self._standing(db, place)
            if standing.id != seen:
                raise _conflict(standing)
            mine = {Move.TAKE: (actor.user, actor.name or actor.user), Move.RELEASE: ("", "")}
            assignee, assignee_name = mine.get(move, (standing.assignee, standing.assignee_name))
            row = self._row(move=move.value, assignee=assignee, assignee_name=assignee_name, follows=standing.id)
            row.by(place, actor, self._clock())
            add_next(db, row, lambda: _conflict(self.standing(place)))
            return _told(*(getattr(row, name) for name in _READ))

    def people(self, tenant: str, patient: str | None = None) -> dict[Key, set[str]]:
        """Return who has moved each encounter of a tenant, or of one patient, by patient and encounter."""
        found: dict[Key, set[str]] = {}
        query = select(self._row.patient, self._row.encounter, self._row.user).where(self._row.tenant == tenant).distinct()
        if patient is not None:
            query = query.where(self._row.patient == patient)
        with self._make() as db:
            for patient, encounter, user in db.execute(query).tuples():
                found.setdefault((patient, encounter), set()).add(user)
        return found

    def _standing(self, db: Session, place: Place) -> Standing:
        row = self._row
        found = db.scalars(select(row).where(row.of(place)).order_by(row.id.desc()).limit(1)).first()
        return _told(*(getattr(found, name) for name in _READ)) if found else Standing()


_READ = ("id", "assignee", "assignee_name", "move", "name", "user", "at")


def _told(id: int, assignee: str, assignee_name: str, move: str, name: str | None, user: str, at: datetime) -> Standing:
    return Standing(id, assignee, assignee_name, move == Move.FINISH, name or user, at.replace(tzinfo=UTC))


def _conflict(standing: Standing) -> DecisionConflict:
    return DecisionConflict("smart.conflict", f"{standing.who or 'Somebody'} has changed this encounter's assignment meanwhile.", "Look at the list again.")
