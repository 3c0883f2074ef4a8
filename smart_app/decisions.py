"""What a person decided about a suggestion: kept for good, never overwritten.

The table is a history. An undo is a line of its own that names the line it takes back, so that who decided what, when,
and on which model's suggestion stays traceable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Engine, Index, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from cds_service.audit import Event, Kind, audited
from smart_app.errors import DecisionConflict
from smart_app.history import Actor, Clock, Key, Line, Place, add_next, now


class Action(StrEnum):
    """What a person can do with a suggestion."""

    ACCEPT = "accept"
    CHANGE = "change"
    REJECT = "reject"
    ADD = "add"  # a code that nothing suggested
    UNDO = "undo"


# Why a suggestion is rejected. Codes are stable: they go to statistics and to CDS Hooks feedback.
REASONS: Mapping[str, str] = {
    "not-supported": "The documentation doesn't support it",
    "not-reportable": "Present, but not reportable for this encounter",
    "not-current": "Not current: history of, or resolved",
    "other-code": "Another code says it better",
    "wrong-patient-part": "About someone or something else",
    "other": "Another reason",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """The suggestion that is decided, and what suggested it."""

    place: Place
    review_id: str
    code: str  # as suggested, or added
    system: str
    model: str  # name and version
    code_set: str  # version


@dataclass(frozen=True, slots=True)
class Decision:
    """One line of the history."""

    id: int
    code: str
    action: Action
    after: str | None  # the code that stands after it; None where rejected
    reason: str | None
    user: str
    name: str | None
    role: str
    at: datetime
    review_id: str
    takes_back: int | None = None

    @property
    def who(self) -> str:
        """The person's name, else their reference."""
        return self.name or self.user


class _Columns(Line):
    __abstract__ = True

    review_id: Mapped[str] = mapped_column(String(64))
    code: Mapped[str] = mapped_column(String(32))  # before: the code as suggested
    system: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(16))
    after: Mapped[str | None] = mapped_column(String(32))
    reason: Mapped[str | None] = mapped_column(String(32))
    model: Mapped[str] = mapped_column(String(200))
    code_set: Mapped[str] = mapped_column(String(64))
    takes_back: Mapped[int | None]
    follows: Mapped[int]  # the line before it on the same code, 0 for the first


def _arguments(table: str) -> tuple[object, ...]:
    # Two people in the same moment: one of the two lines that follow the same line is refused by the database itself.
    return (
        UniqueConstraint("tenant", "patient", "encounter", "code", "follows", name=f"{table}_one_after_another"),
        Index(f"{table}_of_encounter", "tenant", "patient", "encounter", "id"),
        {"info": {"kept_from": "at"}},
    )


class _Row(_Columns):
    __tablename__ = "smart_decision"
    __table_args__ = _arguments("smart_decision")


class _SecondRow(_Columns):
    """What a second coder decided, blind to the first: apart from the others, so that nothing takes it for a decision that stands."""

    __tablename__ = "smart_second_decision"
    __table_args__ = _arguments("smart_second_decision")


def _told(row: _Columns) -> Event:
    details = {"action": row.action, "review": row.review_id} | ({"reading": 2} if isinstance(row, _SecondRow) else {})
    return Event(Kind.DECISION, row.tenant, "smart", row.user, row.patient.rsplit("/", 1)[-1], f"Decision/{row.id}", details=details)


audited(_Row, _told)
audited(_SecondRow, _told)


class Decisions:
    """Records and reads decisions, those that stand or those of second readings. Safe to share between threads."""

    def __init__(self, engine: Engine, *, second: bool = False, clock: Clock = now) -> None:
        self._make = sessionmaker(engine)
        self._row: type[_Columns] = _SecondRow if second else _Row
        self._clock = clock

    def record(
        self, subject: Subject, action: Action, actor: Actor, *, after: str | None = None, reason: str | None = None, seen: int | None = None
    ) -> Decision:
        """Record a decision and return it.

        `seen` is the id of the last decision on this code that the person's page showed (0 for none). Raises
        DecisionConflict where somebody has decided since: neither of the two is lost silently.
        """
        with self._make() as db:
            history = self._read(db, self._row.of(subject.place)).get(subject.place.key, [])
            standing = standing_of(history).get(subject.code)
            wish = subject.code if action in (Action.ACCEPT, Action.ADD) else after
            if seen is not None and seen != (standing.id if standing else 0):
                if standing and standing.id > seen and (standing.user, standing.action, standing.after, standing.reason) == (actor.user, action, wish, reason):
                    return standing  # kept before, and only the answer was lost on its way
                raise _conflict(standing)
            if action is Action.UNDO and standing is None:
                raise DecisionConflict("smart.nothing-to-undo", "There is no decision on this code to take back.", "Load the page again.")
            row = self._row(
                review_id=subject.review_id,
                code=subject.code,
                system=subject.system,
                action=action.value,
                after=wish,
                reason=reason,
                model=subject.model,
                code_set=subject.code_set,
                takes_back=standing.id if standing and action is Action.UNDO else None,
                follows=max((d.id for d in history if d.code == subject.code), default=0),
            )
            row.by(subject.place, actor, self._clock())
            add_next(db, row, lambda: _conflict(self.standing(subject.place).get(subject.code)))
            return _decision(*(getattr(row, name) for name in _READ))

    def standing(self, place: Place) -> dict[str, Decision]:
        """Return the decision that stands for each code of an encounter, whichever of its reviews suggested the code."""
        return standing_of(self.history(place))

    def history(self, place: Place) -> tuple[Decision, ...]:
        """Return every decision on an encounter, oldest first, with those that were taken back."""
        with self._make() as db:
            return tuple(self._read(db, self._row.of(place)).get(place.key, ()))

    def histories(self, tenant: str) -> dict[Key, list[Decision]]:
        """Return every decision on every encounter of a tenant, oldest first."""
        with self._make() as db:
            return self._read(db, self._row.tenant == tenant)

    def _read(self, db: Session, which: ColumnElement[bool]) -> dict[Key, list[Decision]]:
        # Columns, not rows: a tenant's decisions are many, and an object of the database for each would take ten times as long.
        columns = [getattr(self._row, name) for name in ("patient", "encounter", *_READ)]
        found: dict[Key, list[Decision]] = {}
        for patient, encounter, *values in db.execute(select(*columns).where(which).order_by(self._row.id)).tuples():
            found.setdefault((patient, encounter), []).append(_decision(*values))
        return found


_ACTIONS = {action.value: action for action in Action}  # quicker than the class itself, which counts for many
_READ = ("id", "code", "action", "after", "reason", "user", "name", "role", "at", "review_id", "takes_back")  # a decision's fields in their order


def standing_of(history: Sequence[Decision]) -> dict[str, Decision]:
    """Return the decisions of a history that stand, by code."""
    taken_back = {d.takes_back for d in history if d.action is Action.UNDO}
    return {d.code: d for d in history if d.action is not Action.UNDO and d.id not in taken_back}


def standing_at(history: Sequence[Decision], moment: datetime) -> dict[str, Decision]:
    """Return the decisions of a history that stood at a moment, by code."""
    return standing_of([d for d in history if d.at <= moment])


def _decision(
    id: int, code: str, action: str, after: str | None, reason: str | None, user: str, name: str | None, role: str, at: datetime, *rest: Any
) -> Decision:
    return Decision(id, code, _ACTIONS[action], after, reason, user, name, role, at.replace(tzinfo=UTC), *rest)


def _conflict(standing: Decision | None) -> DecisionConflict:
    if standing is None:
        return DecisionConflict("smart.conflict", "The decision on this code was taken back meanwhile.", "Look at it again, then decide.")
    return DecisionConflict(
        "smart.conflict",
        f"{standing.who} has decided on this code meanwhile ({standing.action}, {standing.at:%H:%M} UTC).",
        "Look at it again, then decide.",
    )
