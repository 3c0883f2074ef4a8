"""What is measured: one figure a line, each from the facts of one encounter at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from smart_app.decisions import Action
from smart_app.pilot.facts import EncounterFacts

_SECONDS_A_MINUTE, _SECONDS_AN_HOUR = 60.0, 3600.0
Value = tuple[int, int] | float | None


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure: a share of hits, or a middle or mean of one value an encounter.

    `of` returns (hits, of how many) for a share and a number for the others; None where the encounter tells nothing of it.
    """

    key: str
    words: str
    how: str  # "share" | "median" | "p95" | "mean"
    unit: str  # what the value is in: "", "min", "h", "ms"
    of: Callable[[EncounterFacts], Value]
    payment: bool = False  # about claims: not for clinicians
    rule: bool = False  # about straight-through candidates: only where a rule marks any
    short: str = ""  # name in a drawing


def _accepted(e: EncounterFacts) -> Value:
    return sum(o.action is Action.ACCEPT for o in e.decided), len(e.decided)


def _added(e: EncounterFacts) -> Value:
    return float(sum(o.action is Action.ADD for o in e.outcomes)) if e.reported or e.decided else None


def _edits(e: EncounterFacts) -> tuple[int, int]:
    """Return how many claim edits were settled by a decision, of those on whose codes people have decided.

    Settled: at least one of the codes that stood against each other doesn't stand any more.
    """
    decided = {o.code for o in e.decided}
    ripe = [f for f in (e.review.findings if e.review else ()) if f.codes and decided.issuperset(f.codes)]
    return sum(not e.reported.issuperset(f.codes) for f in ripe), len(ripe)


def _avoided(e: EncounterFacts) -> Value:
    return 100.0 * _edits(e)[0] if e.decided else None


def _answer_hours(e: EncounterFacts) -> float | None:
    hours = [(q.answered - q.sent).total_seconds() / _SECONDS_AN_HOUR for q in e.queries if q.answered]
    return sum(hours) / len(hours) if hours else None


def _expected(e: EncounterFacts) -> tuple[int, int]:
    suggested = {o.code for o in e.suggested}
    return len(e.reported & suggested), len(e.reported)


def _unchanged(e: EncounterFacts) -> Value:
    """Of an encounter that the customer's rule marks and that people have dealt with: whether it would have gone through as it was."""
    if not e.candidate or not e.decided or len(e.decided) < len(e.suggested):
        return None
    return int(e.reported == {o.code for o in e.suggested}), 1


def _work_minutes(e: EncounterFacts) -> Value:
    return None if e.work_s is None else e.work_s / _SECONDS_A_MINUTE


def _reading_ms(e: EncounterFacts) -> Value:
    return e.review.reading_ms if e.review else None


def _notes(e: EncounterFacts) -> Value:
    return (e.review.read, e.review.read + e.review.left) if e.review else None


def _asked(e: EncounterFacts) -> Value:
    return (int(bool(e.queries)), 1) if e.decided else None


def _answered(e: EncounterFacts) -> Value:
    return sum(q.answered is not None for q in e.queries), len(e.queries)


def _share(key: str, words: str, short: str, of: Callable[[EncounterFacts], Value], *, payment: bool = False, rule: bool = False) -> Measure:
    return Measure(key, words, "share", "", of, payment, rule, short)


MEASURES: tuple[Measure, ...] = (
    _share("accepted", "Suggestions accepted unchanged, of those decided", "accepted unchanged", _accepted),
    _share("decided", "Suggestions decided, of those shown", "suggestions decided", lambda e: (len(e.decided), len(e.suggested))),
    _share("foreseen", "Reported codes that had been suggested as they are", "reported as suggested", _expected),
    Measure("added", "Codes added by hand, for each encounter with a decision", "mean", "", _added),
    Measure("work", "Time from opening the page to the last decision", "median", "min", _work_minutes),
    _share("used", "Encounters with a decision, of those reviewed", "encounters decided", lambda e: (int(bool(e.decided)), 1)),
    _share("query_rate", "Encounters with a query sent, of those with a decision", "encounters queried", _asked),
    _share("answered", "Queries answered, of those sent", "queries answered", _answered),
    Measure("answer_time", "Time from a query to its answer", "median", "h", _answer_hours),
    _share("coverage", "Notes read in full, of those that came", "notes read in full", _notes),
    Measure("latency", "Time to read the notes of an encounter", "median", "ms", _reading_ms),
    Measure("latency_p95", "The same, for 95 of 100 encounters at most", "p95", "ms", _reading_ms),
    _share("edits_settled", "Claim edits settled before the claim, of those raised and decided", "claim edits settled", _edits, payment=True),
    Measure("edits_avoided", "Estimated first-pass edits avoided, for 100 encounters with a decision", "mean", "", _avoided, payment=True),
    _share(
        "candidates", "Encounters that the straight-through rule marks, of those reviewed", "straight-through", lambda e: (int(bool(e.candidate)), 1), rule=True
    ),
    _share("candidates_unchanged", "Marked encounters on which people changed nothing, of those dealt with", "of these unchanged", _unchanged, rule=True),
)
