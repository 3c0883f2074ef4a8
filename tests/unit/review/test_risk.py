"""Risk adjustment categories: by payment year, and never in a question."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from cds_service.review import CodingReview, Knowledge
from cds_service.review.risk import in_force


def test_a_diagnosis_of_2026_counts_for_payment_year_2027(knowledge: Knowledge) -> None:
    """CMS-HCC is prospective: diagnoses of a year are paid in the next."""
    model = in_force(knowledge.risk, date(2026, 3, 2))
    assert model is not None
    assert model.payment_year == 2027
    assert [(h.category, h.model) for h in model.of("I50.22")] == [("226", "CMS-HCC Model V28, payment year 2027")]
    assert model.of("I10") == ()


def test_before_the_oldest_table_there_is_no_category(knowledge: Knowledge) -> None:
    """A year without a table gives no category rather than a wrong one."""
    assert in_force(knowledge.risk, date(2023, 1, 1)) is None


def test_the_review_carries_the_category_for_the_coder(coded: Callable[..., CodingReview]) -> None:
    """The category stands at the code, with its label."""
    review = coded("Assessment: Chronic systolic heart failure.", {"Chronic systolic heart failure": "I50.22"})
    assert review.diagnoses[0].hcc[0].label.startswith("Heart Failure")
