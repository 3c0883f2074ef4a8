"""The work list: encounters that wait for a coder, the oldest first, with what is known without opening them.

Names of patients aren't kept, so none are shown: the EHR's own number of the patient leads to the chart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from smart_app.assignment import Standing
from smart_app.decisions import Decision
from smart_app.review_facts import ReviewFacts
from smart_app.second_reading import Both, Second
from smart_app.straight_through import StraightThrough

PAGE = 100  # encounters on a page


@dataclass(frozen=True, slots=True)
class Waiting:
    """One encounter."""

    patient: str  # "Patient/1"
    encounter: str | None
    setting: str
    reviewed: datetime
    codes: int
    decided: int
    least: float | None  # least confidence among what isn't decided
    unsure: int  # undecided suggestions that are as likely wrong as right
    queries: int  # asked and not answered, and not closed
    standing: Standing
    rule: str | None = None  # the customer's rule that marks it as a straight-through candidate
    second: Second = field(default_factory=Second)
    both: Both | None = None  # the codes of two readers, once both are done

    @property
    def age_days(self) -> int:
        """Whole days since the review."""
        return (datetime.now(UTC) - self.reviewed).days

    @property
    def open(self) -> int:
        """How many suggestions aren't decided."""
        return self.codes - self.decided


SORTS: Mapping[str, str] = {"age": "oldest first", "unsure": "least sure first", "queries": "most open queries first", "open": "most to decide first"}


def waiting(
    review: ReviewFacts,
    standing: Mapping[str, Decision],
    asked: int,
    assignment: Standing,
    *,
    rules: StraightThrough | None = None,
    second: Second | None = None,
    both: Both | None = None,
) -> Waiting:
    """Return the line of one encounter; `rules` are the customer's own, by which it may be marked."""
    undecided = [offer.confidence for offer in review.suggestions if offer.code not in standing]
    return Waiting(
        patient=review.patient,
        encounter=review.encounter or None,
        setting=review.setting,
        reviewed=review.created,
        codes=len(review.suggestions),
        decided=len(review.suggestions) - len(undecided),
        least=min(undecided, default=None),
        unsure=sum(c < 0.7 for c in undecided),
        queries=asked,
        standing=assignment,
        rule=rules.marks(review) if rules and not asked and not assignment.finished else None,
        second=second or Second(),
        both=both,
    )


SHOWS: Mapping[str, tuple[str, Callable[[Waiting], bool]]] = {
    "second": ("second readings", lambda w: bool(w.second.stage)),
    "straight": ("straight-through candidates", lambda w: w.rule is not None),
}


def ordered(lines: list[Waiting], by: str) -> list[Waiting]:
    """Return the lines in one of the orders of `SORTS`, finished ones last."""
    keys: dict[str, Callable[[Waiting], tuple[float, ...]]] = {
        "age": lambda w: (w.reviewed.timestamp(),),
        "unsure": lambda w: (w.least if w.least is not None else 2.0, w.reviewed.timestamp()),
        "queries": lambda w: (-w.queries, w.reviewed.timestamp()),
        "open": lambda w: (-w.open, w.reviewed.timestamp()),
    }
    key = keys.get(by, keys["age"])
    return sorted(lines, key=lambda w: (w.standing.finished, key(w)))
