"""What the store knows of each encounter, as plain facts: what was suggested, what people made of it, what was asked and answered.

Nothing here is told to anybody: the figures are made of it, and small cells are taken out of these.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from cds_service.audit.schema import EventRow
from cds_service.store import Cipher
from smart_app.assignment import Assignments, Standing
from smart_app.cards import CardTold, cards_of_tenant
from smart_app.decisions import Action, Decision, Decisions, standing_of
from smart_app.history import Key
from smart_app.queries import QuerySteps, Step
from smart_app.review_facts import KeptReviews, ReviewFacts
from smart_app.second_reading import Both, SecondReadings
from smart_app.straight_through import StraightThrough

_CHUNK = 500
_PAUSE = timedelta(minutes=10)  # a longer time without a decision isn't work on the encounter
_SITTING = timedelta(hours=4)  # a page opened longer ago isn't where the decision was made


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one code of an encounter."""

    code: str
    display: str
    action: Action | None  # None: nobody has decided
    after: str | None
    reason: str | None
    by_card: bool = False  # accepted in the EHR, from the card


@dataclass(frozen=True, slots=True)
class QueryFacts:
    """What became of one documentation query that was sent."""

    sent: datetime
    answered: datetime | None
    closed: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What two coders made of the same encounter, blind to each other: codes that each reports, out of those that either could have."""

    candidates: frozenset[str]
    first: frozenset[str]
    second: frozenset[str]


@dataclass(frozen=True)
class EncounterFacts:
    """One encounter."""

    patient: str
    encounter: str
    at: datetime  # of its first decision, else of its newest review
    review: ReviewFacts | None  # None where the store has deleted it
    outcomes: tuple[Outcome, ...]
    finished: bool
    queries: tuple[QueryFacts, ...] = ()
    cards: tuple[CardTold, ...] = ()
    work_s: float | None = None  # from the page's opening to the last decision of that sitting
    reading: Reading | None = None
    candidate: str | None = None  # the customer's rule that marks it as straight-through

    @cached_property
    def suggested(self) -> tuple[Outcome, ...]:
        """Codes that Marginalia suggested."""
        return tuple(o for o in self.outcomes if o.action is not Action.ADD)

    @cached_property
    def decided(self) -> tuple[Outcome, ...]:
        """Suggestions on which a person decided."""
        return tuple(o for o in self.suggested if o.action is not None)

    @cached_property
    def reported(self) -> frozenset[str]:
        """Codes that stand on a person's word."""
        return frozenset(o.after for o in self.outcomes if o.after)


@dataclass
class PilotStore:
    """Reads the facts of a tenant."""

    engine: Engine
    cipher: Cipher
    kept: KeptReviews

    def encounters(
        self,
        tenant: str,
        *,
        since: datetime,
        until: datetime,
        rules: StraightThrough | None = None,
    ) -> list[EncounterFacts]:
        """Return the encounters of a period, by the time of their first decision, or of their newest review where nobody decided."""
        first = Decisions(self.engine).histories(tenant)
        decided = {key: standing_of(history) for key, history in first.items()}
        told: dict[Key, list[CardTold]] = {}
        for key, card in cards_of_tenant(self.engine, tenant):
            told.setdefault(key, []).append(card)
        newest = self.kept.newest(tenant)
        moments = {key: created for key, (_, created) in newest.items()}
        moments |= {key: min(d.at for d in standing.values()) for key, standing in decided.items() if standing}
        wanted = {key for key, at in moments.items() if since <= at < until}
        reviews = self.kept.facts(newest[key][0] for key in wanted if key in newest)
        assigned = Assignments(self.engine).all(tenant)
        asked = _queries(QuerySteps(self.engine, self.cipher).steps_of_all(tenant))
        twice = SecondReadings(self.engine).results(tenant, first=first)
        opened = self._openings(tenant, [d.review_id for key in wanted for d in decided.get(key, {}).values()])
        facts = []
        for key in sorted(wanted, key=lambda k: moments[k]):
            standing = decided.get(key, {})
            review = reviews.get(newest[key][0]) if key in newest else None
            cards = tuple(told.get(key, ()))
            facts.append(
                EncounterFacts(
                    patient=key[0],
                    encounter=key[1],
                    at=moments[key],
                    review=review,
                    outcomes=tuple(_outcomes(review, standing, cards)),
                    finished=assigned.get(key, Standing()).finished,
                    queries=tuple(asked.get(key, ())),
                    cards=cards,
                    work_s=_work(standing.values(), opened),
                    reading=_reading(twice[key], review) if key in twice else None,
                    candidate=rules.marks(review) if rules and review else None,
                )
            )
        return facts

    def _openings(self, tenant: str, reviews: Sequence[str]) -> dict[tuple[str, str], list[datetime]]:
        """Return when each review was shown to each person, as the audit has it."""
        found: dict[tuple[str, str], list[datetime]] = {}
        with Session(self.engine) as db:
            for chunk in _chunks(list(dict.fromkeys(reviews))):
                shown = (EventRow.tenant == tenant, EventRow.kind.in_(("answer", "read")), EventRow.about.in_(chunk))
                for about, text in db.execute(select(EventRow.about, EventRow.event).where(*shown)).tuples():
                    event = json.loads(text)
                    if event.get("client") == "smart" and event.get("user") and "page" not in event.get("details", {}):
                        found.setdefault((str(about), event["user"]), []).append(datetime.fromisoformat(event["at"]))
        return found


def _outcomes(review: ReviewFacts | None, standing: Mapping[str, Decision], cards: Sequence[CardTold]) -> Iterator[Outcome]:
    """Yield what became of each code: the decision in the app, else the last word from the EHR's card."""
    accepted = {card.code for card in cards if card.outcome == "accepted"}
    titles = {s.code: s.display for s in review.suggestions} if review else {}
    for code in dict.fromkeys([*titles, *standing]):
        decision = standing.get(code)
        if decision is not None:
            yield Outcome(code, titles.get(code, ""), decision.action, decision.after, decision.reason)
        elif code in accepted:
            yield Outcome(code, titles[code], Action.ACCEPT, code, None, by_card=True)
        else:
            yield Outcome(code, titles[code], None, None, None)


def _queries(steps: Iterable[tuple[Key, str, Step, datetime]]) -> dict[Key, list[QueryFacts]]:
    """Return the queries that were sent, with the first answer to each."""
    found: dict[tuple[Key, str], QueryFacts] = {}
    for key, query, step, at in steps:
        known = found.get((key, query))
        if step is Step.SEND and known is None:
            found[key, query] = QueryFacts(at, None, closed=False)
        elif known is not None and step is Step.ANSWER and known.answered is None:
            found[key, query] = replace(known, answered=at)
        elif known is not None and step in (Step.CLOSE, Step.REOPEN):
            found[key, query] = replace(known, closed=step is Step.CLOSE)
    by_encounter: dict[Key, list[QueryFacts]] = {}
    for (key, _), query_facts in found.items():
        by_encounter.setdefault(key, []).append(query_facts)
    return by_encounter


def _reading(both: Both, review: ReviewFacts | None) -> Reading:
    suggested = frozenset(s.code for s in review.suggestions) if review else frozenset()
    return Reading(suggested | both.first | both.second, both.first, both.second)


def _work(decisions: Iterable[Decision], opened: Mapping[tuple[str, str], Sequence[datetime]]) -> float | None:
    """Return the seconds from the opening of the page to the last decision of that sitting, by the person who decided first."""
    ordered = sorted(decisions, key=lambda d: d.at)
    if not ordered:
        return None
    first = ordered[0]
    openings = [at for at in opened.get((first.review_id, first.user), ()) if first.at - _SITTING <= at <= first.at]
    if not openings:
        return None
    last = first.at
    for decision in ordered:
        if decision.user == first.user and decision.at - last <= _PAUSE:
            last = decision.at
    return (last - max(openings)).total_seconds()


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(ids), _CHUNK):
        yield ids[at : at + _CHUNK]
