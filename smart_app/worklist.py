"""The work list: encounters that wait for a coder, the oldest first, with what is known without opening them.

Names of patients aren't kept, so none are shown: the EHR's own number of the patient leads to the chart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from cds_service.store import Cipher
from cds_service.store.schema import ReviewRow
from smart_app.assignment import Standing
from smart_app.decisions import Decision
from smart_app.review_facts import read_review, suggested
from smart_app.second_reading import Both, Second
from smart_app.straight_through import StraightThrough

_MOST = 500  # encounters that are listed


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


def latest_reviews(engine: Engine, cipher: Cipher, tenant: str) -> list[dict[str, Any]]:
    """Return the newest review of each encounter of a tenant, the newest first, at most 500."""
    newest = (
        select(ReviewRow.patient, ReviewRow.encounter, func.max(ReviewRow.created).label("created"))
        .where(ReviewRow.tenant == tenant)
        .group_by(ReviewRow.patient, ReviewRow.encounter)
        .order_by(func.max(ReviewRow.created).desc())
        .limit(_MOST)
        .subquery()
    )
    same_encounter = func.coalesce(ReviewRow.encounter, "") == func.coalesce(newest.c.encounter, "")
    rows = select(ReviewRow.sealed).join(newest, (ReviewRow.patient == newest.c.patient) & same_encounter & (ReviewRow.created == newest.c.created))
    with Session(engine) as db:
        return [dict(cipher.unseal(sealed)) for sealed in db.scalars(rows.where(ReviewRow.tenant == tenant))]


def waiting(
    document: Mapping[str, Any],
    standing: Mapping[str, Decision],
    asked: int,
    assignment: Standing,
    *,
    rules: StraightThrough | None = None,
    second: Second | None = None,
    both: Both | None = None,
) -> Waiting:
    """Return the line of one encounter; `rules` are the customer's own, by which it may be marked."""
    offers = [item for _, item in suggested(dict(document))]
    undecided = [item["confidence"] for item in offers if item["code"] not in standing]
    return Waiting(
        patient=document["patient"],
        encounter=document.get("encounter"),
        setting=document.get("setting", ""),
        reviewed=datetime.fromisoformat(document["created"]),
        codes=len(offers),
        decided=len(offers) - len(undecided),
        least=min(undecided, default=None),
        unsure=sum(c < 0.7 for c in undecided),
        queries=asked,
        standing=assignment,
        rule=rules.marks(read_review(document)) if rules and not asked and not assignment.finished else None,
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
