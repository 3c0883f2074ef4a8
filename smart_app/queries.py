"""What became of a documentation query: sent to whom, answered how, closed by whom. A history, never overwritten.

An answer is evidence for a person to code on; nothing here makes a code of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import Engine, String, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from cds_service.asking import Happened, QueryEvent
from cds_service.audit import Event, Kind, audited
from cds_service.store import Cipher
from smart_app.errors import DecisionConflict, DecisionRefused
from smart_app.history import Actor, Clock, Key, Line, Place, add_next, now

LONGEST_ANSWER = 1000  # characters of an answer in the clinician's own words


class Step(StrEnum):
    """What happens to a query."""

    SEND = "send"
    ANSWER = "answer"
    CLOSE = "close"  # no longer needed, or dealt with
    REOPEN = "reopen"


_HAPPENED = {Step.SEND: Happened.ASKED, Step.ANSWER: Happened.ANSWERED, Step.CLOSE: Happened.DISMISSED, Step.REOPEN: Happened.REOPENED}


@dataclass(frozen=True, slots=True)
class QueryStep:
    """One line of a query's history."""

    id: int
    query: str
    step: Step
    answer: str | None  # the option chosen, as it stood
    words: str | None  # the clinician's own words
    recipient: str | None
    user: str
    name: str | None
    role: str
    at: datetime
    review_id: str

    @property
    def who(self) -> str:
        """The person's name, else their reference."""
        return self.name or self.user


class _Row(Line):
    __tablename__ = "smart_query"

    query: Mapped[str] = mapped_column(String(128))
    step: Mapped[str] = mapped_column(String(16))
    answer: Mapped[str | None] = mapped_column(Text)  # sealed, like the words
    words: Mapped[str | None] = mapped_column(Text)
    recipient: Mapped[str | None] = mapped_column(String(200))
    review_id: Mapped[str] = mapped_column(String(64))
    follows: Mapped[int]

    __table_args__ = (
        UniqueConstraint("tenant", "patient", "encounter", "query", "follows", name="smart_query_one_after_another"),
        {"info": {"kept_from": "at"}},
    )


def _asked(row: _Row) -> Event:
    details = {"step": row.step, "review": row.review_id}
    return Event(Kind.QUERY, row.tenant, "smart", row.user, row.patient.rsplit("/", 1)[-1], f"Query/{row.id}", details=details)


audited(_Row, _asked)


class QuerySteps:
    """Keeps what becomes of queries. Safe to share between threads."""

    def __init__(self, engine: Engine, cipher: Cipher, *, clock: Clock = now) -> None:
        self._make = sessionmaker(engine)
        self._cipher = cipher
        self._clock = clock

    def record(
        self,
        place: Place,
        query: str,
        step: Step,
        actor: Actor,
        *,
        review_id: str,
        seen: int,
        answer: str | None = None,
        words: str | None = None,
        recipient: str | None = None,
    ) -> QueryStep:
        """Record a step and return it; raises DecisionConflict where the person has not seen the newest (`seen`), DecisionRefused for a step out of turn."""
        with self._make() as db:
            history = [s for s in self._history(db, place) if s.query == query]
            last = history[-1] if history else None
            if seen != (last.id if last else 0):
                raise _conflict(last)
            _in_turn(step, last)
            row = _Row(
                query=query,
                step=step.value,
                answer=self._cipher.seal(answer) if answer else None,
                words=self._cipher.seal(words) if words else None,
                recipient=recipient,
                review_id=review_id,
                follows=last.id if last else 0,
            )
            row.by(place, actor, self._clock())
            add_next(db, row, lambda: _conflict(next((s for s in reversed(self.history(place)) if s.query == query), None)))
            return self._step(row)

    def history(self, place: Place) -> tuple[QueryStep, ...]:
        """Return every step on the queries of an encounter, oldest first."""
        with self._make() as db:
            return self._history(db, place)

    def _history(self, db: Session, place: Place) -> tuple[QueryStep, ...]:
        return tuple(self._step(row) for row in db.scalars(select(_Row).where(_Row.of(place)).order_by(_Row.id)))

    def events(self, tenant: str, patient: str, encounter: str | None) -> list[QueryEvent]:
        """Return what happened to the queries of an encounter, for those who would ask again; no words are unsealed."""
        steps = select(_Row.query, _Row.step, _Row.at, _Row.review_id).where(_Row.of(Place(tenant, patient, encounter))).order_by(_Row.id)
        with self._make() as db:
            return [QueryEvent(query, _HAPPENED[Step(step)], at.replace(tzinfo=UTC), review) for query, step, at, review in db.execute(steps).tuples()]

    def open_counts(self, tenant: str) -> dict[Key, int]:
        """Return how many queries wait for an answer, by patient and encounter."""
        with self._make() as db:
            last: dict[tuple[str, str, str], str] = {}
            for row in db.execute(select(_Row.patient, _Row.encounter, _Row.query, _Row.step).where(_Row.tenant == tenant).order_by(_Row.id)):
                last[row.patient, row.encounter, row.query] = row.step
        counts: dict[Key, int] = {}
        for (patient, encounter, _), step in last.items():
            if step == Step.SEND:
                counts[patient, encounter] = counts.get((patient, encounter), 0) + 1
        return counts

    def steps_of_all(self, tenant: str) -> list[tuple[Key, str, Step, datetime]]:
        """Return patient and encounter, query, step and time of all steps of a tenant, oldest first; no words are unsealed."""
        columns = (_Row.patient, _Row.encounter, _Row.query, _Row.step, _Row.at)
        with self._make() as db:
            rows = db.execute(select(*columns).where(_Row.tenant == tenant).order_by(_Row.id)).tuples()
            return [((patient, encounter), query, Step(step), at.replace(tzinfo=UTC)) for patient, encounter, query, step, at in rows]

    def _step(self, row: _Row) -> QueryStep:
        answer, words = (str(self._cipher.unseal(sealed)) if sealed else None for sealed in (row.answer, row.words))
        return QueryStep(
            row.id, row.query, Step(row.step), answer, words, row.recipient, row.user, row.name, row.role, row.at.replace(tzinfo=UTC), row.review_id
        )


def _in_turn(step: Step, last: QueryStep | None) -> None:
    state = last.step if last else None
    allowed = {
        Step.SEND: (None, Step.REOPEN),
        Step.ANSWER: (None, Step.SEND, Step.REOPEN),
        Step.CLOSE: (None, Step.SEND, Step.ANSWER, Step.REOPEN),
        Step.REOPEN: (Step.CLOSE, Step.ANSWER),
    }
    if state not in allowed[step]:
        raise DecisionRefused("smart.query-turn", f"This query is {_STATES[state]} already.", "Load the page again.")


def _conflict(last: QueryStep | None) -> DecisionConflict:
    who = f"{last.who} has dealt with this query meanwhile ({_STATES[last.step]}, {last.at:%H:%M} UTC)." if last else "This query was changed meanwhile."
    return DecisionConflict("smart.conflict", who, "Look at it again.")


_STATES: dict[Step | None, str] = {None: "open", Step.SEND: "sent", Step.ANSWER: "answered", Step.CLOSE: "closed", Step.REOPEN: "open"}
