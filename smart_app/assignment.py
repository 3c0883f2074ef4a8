"""Who works on which encounter, and which are finished. A history, never overwritten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import DateTime, Engine, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from cds_service.audit import Event, Kind, audited
from smart_app.arrangement import Place
from smart_app.database import Base, add_next
from smart_app.decisions import Actor
from smart_app.errors import DecisionConflict


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


class _Columns(Base):
    __abstract__ = True

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    tenant: Mapped[str] = mapped_column(String(64))
    patient: Mapped[str] = mapped_column(String(128))
    encounter: Mapped[str] = mapped_column(String(128), default="")
    move: Mapped[str] = mapped_column(String(16))
    assignee: Mapped[str] = mapped_column(String(300), default="")
    assignee_name: Mapped[str] = mapped_column(String(100), default="")
    user: Mapped[str] = mapped_column(String(300))
    name: Mapped[str | None] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(DateTime)
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

    def __init__(self, engine: Engine, *, second: bool = False, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._make = sessionmaker(engine)
        self._row: type[_Columns] = _SecondRow if second else _Row
        self._clock = clock

    def standing(self, place: Place) -> Standing:
        """Return how an encounter stands."""
        with self._make() as db:
            return self._standing(db, place)

    def all(self, tenant: str) -> dict[tuple[str, str], Standing]:
        """Return how the encounters of a tenant stand, by patient and encounter."""
        with self._make() as db:
            rows = db.scalars(select(self._row).where(self._row.tenant == tenant).order_by(self._row.id))
            return {(row.patient, row.encounter): _told(row) for row in rows}

    def move(self, place: Place, move: Move, actor: Actor, *, seen: int) -> Standing:
        """Record a move and return how the encounter stands; raises DecisionConflict where somebody was faster."""
        with self._make() as db:
            standing = self._standing(db, place)
            if standing.id != seen:
                raise _conflict(standing)
            mine = {Move.TAKE: (actor.user, actor.name or actor.user), Move.RELEASE: ("", "")}
            assignee, assignee_name = mine.get(move, (standing.assignee, standing.assignee_name))
            row = self._row(
                tenant=place.tenant,
                patient=place.patient,
                encounter=place.encounter or "",
                move=move.value,
                assignee=assignee,
                assignee_name=assignee_name,
                user=actor.user,
                name=actor.name,
                role=actor.role,
                at=self._clock().astimezone(UTC).replace(tzinfo=None),
                follows=standing.id,
            )
            add_next(db, row, lambda: _conflict(self.standing(place)))
            return _told(row)

    def people(self, tenant: str, patient: str | None = None) -> dict[tuple[str, str], set[str]]:
        """Return who has moved each encounter of a tenant, or of one patient, by patient and encounter."""
        found: dict[tuple[str, str], set[str]] = {}
        query = select(self._row.patient, self._row.encounter, self._row.user).where(self._row.tenant == tenant).distinct()
        if patient is not None:
            query = query.where(self._row.patient == patient)
        with self._make() as db:
            for patient, encounter, user in db.execute(query).tuples():
                found.setdefault((patient, encounter), set()).add(user)
        return found

    def _standing(self, db: Session, place: Place) -> Standing:
        row = self._row
        mine = select(row).where(row.tenant == place.tenant, row.patient == place.patient, row.encounter == (place.encounter or ""))
        found = db.scalars(mine.order_by(row.id.desc()).limit(1)).first()
        return _told(found) if found else Standing()


def _told(row: _Columns) -> Standing:
    return Standing(row.id, row.assignee, row.assignee_name, row.move == Move.FINISH, row.name or row.user, row.at.replace(tzinfo=UTC))


def _conflict(standing: Standing) -> DecisionConflict:
    return DecisionConflict("smart.conflict", f"{standing.who or 'Somebody'} has changed this encounter's assignment meanwhile.", "Look at the list again.")
