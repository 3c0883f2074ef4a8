"""Second readings: a share of the finished encounters is coded again by a second coder who doesn't see what the first decided.

Which ones is chosen by a hash of the encounter, so that nobody chooses, and the same are chosen everywhere. From the moment an
encounter of the sample is finished until its second reading is, coders who had no part in the first see none of its decisions.
What the second decides is kept apart: it never stands, is never written, and serves only to be compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import Engine

from smart_app.assignment import Assignments, Move, Standing
from smart_app.decisions import Decision, Decisions, standing_at
from smart_app.errors import AccessDenied, DecisionRefused
from smart_app.history import Actor, Key, Place
from smart_app.roles import Role

Histories = Mapping[Key, Sequence[Decision]]


class Stage(StrEnum):
    """Where a second reading is."""

    NONE = ""  # not of the sample, or not finished the first time
    WAITING = "waits for a second reading"
    TAKEN = "is read a second time"
    DONE = "was read twice"


@dataclass(frozen=True, slots=True)
class Second:
    """A second reading as one person meets it."""

    stage: Stage = Stage.NONE
    standing: Standing = field(default_factory=Standing)
    mine: bool = False  # this person reads, and hasn't finished
    blind: bool = False  # this person sees nothing of the first reading

    @property
    def may_take(self) -> bool:
        """True where this person may be the second reader."""
        return self.blind and self.stage is Stage.WAITING


@dataclass(frozen=True, slots=True)
class Both:
    """The codes that stand for each of the two readers."""

    first: frozenset[str]
    second: frozenset[str]

    @property
    def alike(self) -> int:
        """How many codes both have."""
        return len(self.first & self.second)

    @property
    def all(self) -> int:
        """How many codes either has."""
        return len(self.first | self.second)


@dataclass(frozen=True, slots=True)
class Compared:
    """What became of one code in both readings; None where a reader hasn't decided on it."""

    code: str
    first: Decision | None
    second: Decision | None

    @property
    def alike(self) -> bool:
        """True where the same code stands, or none, for both."""
        return (self.first.after if self.first else None) == (self.second.after if self.second else None)


def chosen(place: Place, share: float) -> bool:
    """Tell whether an encounter is of the sample of this share."""
    digest = hashlib.sha256(f"{place.tenant}\0{place.patient}\0{place.encounter or ''}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


class SecondReadings:
    """Keeps second readings. Safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self.decisions = Decisions(engine, second=True)
        self.assignments = Assignments(engine, second=True)
        self._first = Decisions(engine)
        self._work = Assignments(engine)

    def of(self, place: Place, user: str, role: Role, share: float) -> Second:
        """Return the second reading of an encounter as a person meets it."""
        standing = self.assignments.standing(place)
        if not standing.id and not chosen(place, share):
            return Second()
        part = {d.user for d in self._first.history(place)} | self._work.people(place.tenant, place.patient).get(place.key, set())
        return _second(place, standing, self._work.standing(place), part, user, role, share)

    def all(self, tenant: str, user: str, role: Role, share: float, *, first: Histories, work: Mapping[Key, Standing]) -> dict[Key, Second]:
        """Return the second readings of a tenant as a person meets them; encounters without one are left out.

        `first` is what was decided the first time, `work` how the encounters stand on the work list.
        """
        standings = self.assignments.all(tenant)
        if not standings and not share:
            return {}
        moved = self._work.people(tenant)
        found = {}
        for key in work.keys() | standings.keys():
            place = Place(tenant, key[0], key[1] or None)
            part = {d.user for d in first.get(key, ())} | moved.get(key, set())
            second = _second(place, standings.get(key, Standing()), work.get(key, Standing()), part, user, role, share)
            if second.stage:
                found[key] = second
        return found

    def move(self, place: Place, move: Move, actor: Actor, second: Second, *, undecided: int, seen: int) -> Standing:
        """Take, give back or finish a second reading; raises AccessDenied for who may not, DecisionRefused while something isn't decided."""
        if move is Move.REOPEN or not (second.may_take if move is Move.TAKE else second.mine):
            raise AccessDenied("smart.second", "This second reading isn't yours to change.", "Who decided the first time can't be the second.")
        if move is Move.FINISH and undecided:
            raise DecisionRefused("smart.second-open", f"{undecided} of the suggestions aren't decided yet.", "Decide on them, then finish.")
        return self.assignments.move(place, move, actor, seen=seen)

    def both(self, place: Place) -> Both:
        """Return the codes of both readers of an encounter that was read twice: the first's as they stood when the second had finished."""
        return _both(self.compared(place))

    def compared(self, place: Place) -> tuple[Compared, ...]:
        """Return both readings code by code, those first on which the readers differ."""
        lines = _compared(self._first.history(place), self.decisions.history(place), self.assignments.standing(place))
        return tuple(sorted(lines, key=lambda line: line.alike))

    def results(self, tenant: str, *, first: Histories) -> Mapping[Key, Both]:
        """Return the codes of both readers of every encounter that was read twice; `first` is what was decided the first time."""
        done = {key: standing for key, standing in self.assignments.all(tenant).items() if standing.finished}
        if not done:
            return {}
        second = self.decisions.histories(tenant)
        return {key: _both(_compared(first.get(key, []), second.get(key, []), standing)) for key, standing in done.items()}


def _compared(first: Sequence[Decision], second: Sequence[Decision], standing: Standing) -> tuple[Compared, ...]:
    """Return what stood for both when the second reading was finished."""
    until = standing.at or datetime.max.replace(tzinfo=UTC)
    one, two = standing_at(first, until), standing_at(second, until)
    return tuple(Compared(code, one.get(code), two.get(code)) for code in sorted(one.keys() | two.keys()))


def _second(place: Place, standing: Standing, first: Standing, part: set[str], user: str, role: Role, share: float) -> Second:
    if standing.finished:
        return Second(Stage.DONE, standing)
    stage = Stage.TAKEN if standing.assignee else Stage.WAITING if first.finished and chosen(place, share) else Stage.NONE
    blind = bool(stage) and role.asks and bool(user) and user not in part
    return Second(stage, standing, mine=blind and stage is Stage.TAKEN and standing.assignee == user, blind=blind)


def _both(lines: tuple[Compared, ...]) -> Both:
    return Both(
        frozenset(line.first.after for line in lines if line.first and line.first.after),
        frozenset(line.second.after for line in lines if line.second and line.second.after),
    )
