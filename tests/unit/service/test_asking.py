"""What counts as another basis of a query, and what holds it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cds_service.asking import Happened, QueryEvent, held_back
from cds_service.review.model import DocumentationQuery, Evidence, EvidenceKind

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
VALUE = Evidence(EvidenceKind.STRUCTURED, "Observation/1", "Creatinine 1.9 mg/dL", section="laboratory", part="2160-0", when=NOW)
WORDS = Evidence(EvidenceKind.NOTE, "DocumentReference/1", "kidney  Injury", 10, 24, "assessment_plan", sha256="0" * 64)
QUERY = DocumentationQuery("gap.x.N17.9", "acuity", "Kidney", "Which?", (VALUE, WORDS), ("A", "Other (please specify)"), "gap.x", "I.B.8", 1)


@pytest.mark.parametrize(
    ("indicators", "same"),
    [
        ((WORDS, VALUE), True),  # in another order
        ((replace(VALUE, source="Observation/2", text="Creatinine 2.4 mg/dL", when=NOW + timedelta(days=1)), WORDS), True),  # a further value
        ((VALUE, replace(WORDS, source="DocumentReference/2", text="Kidney injury", begin=3, end=16, sha256="1" * 64)), True),  # said again
        ((VALUE, replace(WORDS, text="tubular necrosis")), False),
        ((replace(VALUE, part="3094-0"), WORDS), False),  # another test
        ((VALUE, WORDS, replace(VALUE, source="MedicationRequest/1", section="medication", part="4109")), False),
        ((WORDS,), False),
    ],
)
def test_what_is_another_basis(indicators: tuple[Evidence, ...], same: bool) -> None:
    """Other words, tests, drugs or problems are; further values, other notes with the same words and their place aren't."""
    assert (replace(QUERY, indicators=indicators).basis == QUERY.basis) is same
    assert len(QUERY.basis) == 8  # too short to find words by trying


@pytest.mark.parametrize(
    ("happened", "why"),
    [
        ([], None),
        ([(Happened.ASKED, 6)], Happened.ASKED),
        ([(Happened.ASKED, 7)], None),
        ([(Happened.ASKED, 9), (Happened.ASKED, 1)], Happened.ASKED),
        ([(Happened.ANSWERED, 90)], Happened.ANSWERED),
        ([(Happened.DISMISSED, 90), (Happened.ASKED, 80)], Happened.DISMISSED),
        ([(Happened.ASKED, 1), (Happened.ANSWERED, 3), (Happened.REOPENED, 2)], Happened.ASKED),  # by time, whatever the order of the sources
        ([(Happened.ASKED, 3), (Happened.DISMISSED, 2), (Happened.REOPENED, 1)], None),
    ],
)
def test_what_holds_a_query_back(happened: list[tuple[Happened, int]], why: Happened | None) -> None:
    """Answered and dismissed until reopened; asked for seven days. A basis that isn't known any more counts as the same."""
    events = [QueryEvent(QUERY.id, what, NOW - timedelta(days=days), "r1") for what, days in happened]
    found = held_back([QUERY], [QueryEvent("gap.x.N18.9", Happened.ANSWERED, NOW, "r1"), *events], now=NOW, days=7, basis_then=lambda _: None)
    assert (found[QUERY.id].why if found else None) == why
    if why is Happened.ASKED:
        assert held_back([QUERY], events, now=NOW, days=7, basis_then=lambda _: "another") == {}
