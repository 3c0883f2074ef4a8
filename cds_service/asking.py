"""When a documentation query is put again: not where it was answered or dismissed, and not within days of being asked, unless it rests on something else now.

A query is the same one by tenant, patient, encounter and its id, which is rule and subject. What happened to it is
told by what is kept anyway: the cards that were sent, the feedback on them, the steps taken in the app.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from cds_service.review.model import DocumentationQuery

LATER = "later"  # the override reason that puts a query off; every other one dismisses it


class Happened(StrEnum):
    """What happened to a query."""

    ASKED = "asked"  # on a card, or sent to somebody; also waved away until later
    ANSWERED = "answered"
    DISMISSED = "dismissed"
    REOPENED = "reopened"  # what happened before doesn't count any more


@dataclass(frozen=True, slots=True)
class QueryEvent:
    """Something that happened to a query of an encounter. `review` holds the query as it was then."""

    query: str
    what: Happened
    at: datetime
    review: str


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A query that is not put again: why, and since when."""

    query: str
    why: Happened
    since: datetime


BasisThen = Callable[[QueryEvent], str | None]  # None: not known any more


def held_back(
    queries: Iterable[DocumentationQuery], events: Iterable[QueryEvent], *, now: datetime, days: int, basis_then: BasisThen
) -> dict[str, HeldBack]:
    """Return which of the queries are not to be put again, by id.

    Args:
        queries: what the review asks now.
        events: what happened on the encounter, in any order.
        now: the moment of the review.
        days: for how long a query that was asked isn't asked again.
        basis_then: returns what the query rested on when it was asked.
    """
    wanted = {q.id: q for q in queries}
    known: dict[str, HeldBack] = {}
    asked: dict[str, QueryEvent] = {}
    for event in sorted(events, key=lambda e: e.at):
        if event.query not in wanted:
            continue
        if event.what is Happened.REOPENED:
            known.pop(event.query, None)
            asked.pop(event.query, None)
        elif event.what is Happened.ASKED:
            asked[event.query] = event
        else:
            known[event.query] = HeldBack(event.query, event.what, event.at)
    for name, event in asked.items():
        if name not in known and now - event.at < timedelta(days=days) and basis_then(event) in (None, wanted[name].basis):
            known[name] = HeldBack(name, event.what, event.at)
    return known


@dataclass(slots=True)
class Asking:
    """What may be asked in one call. The past is looked up with the first question, so a call that asks nothing costs nothing."""

    look_up: Callable[[], Mapping[str, HeldBack]] = dict
    held: dict[str, HeldBack] = field(default_factory=dict)  # what was not put again in this call

    def open(self, queries: Sequence[DocumentationQuery]) -> list[DocumentationQuery]:
        """Return those that may be put, and note the others."""
        known = self.look_up() if queries else {}
        self.held |= {q.id: known[q.id] for q in queries if q.id in known}
        return [q for q in queries if q.id not in known]
