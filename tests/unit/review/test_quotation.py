"""Quotation: the excerpts that a code shows."""

from __future__ import annotations

from collections.abc import Callable

from cds_service.review import CodingReview

Coded = Callable[..., CodingReview]


def _quoted(review: CodingReview, code: str) -> list[str]:
    return [e.text for d in review.diagnoses if d.code == code for e in d.evidence]


def test_an_excerpt_inside_a_longer_one_adds_nothing(coded: Coded) -> None:
    """The longest of nested excerpts stays, verbatim and at its place."""
    text = "Assessment: Persistent atrial fibrillation of both atria."
    review = coded(text, {"Persistent atrial fibrillation": "I48.19", "atrial fibrillation": "I48.19", "fibrillation of both atria": "I48.19"})
    assert _quoted(review, "I48.19") == ["Persistent atrial fibrillation"]
    assert all(text[e.begin : e.end] == e.text for e in review.diagnoses[0].evidence)


def test_at_most_five_excerpts_conclusions_first(coded: Coded) -> None:
    """The assessment is quoted before the history, and more than five excerpts are not read."""
    text = "HPI: Gout a. Gout b. Gout c. Gout d. Gout e. Gout f.\n\nAssessment: Gouty arthritis."
    review = coded(text, {"Gout": "M10.9", "Gouty arthritis": "M10.9"})
    assert _quoted(review, "M10.9") == ["Gouty arthritis", "Gout", "Gout", "Gout", "Gout"]


def test_a_doubted_excerpt_does_not_stand_for_a_plain_one(coded: Coded) -> None:
    """Only an asserted excerpt takes the place of one inside it; separate places both stay."""
    review = coded("HPI: Has gout.\n\nAssessment: Gout.", {"gout": "M10.9", "Gout": "M10.9"})
    assert _quoted(review, "M10.9") == ["Gout", "gout"]


def test_poor_control_is_quoted_before_the_disease(coded: Coded) -> None:
    """E11.65 shows the words that say it first, wherever they stand."""
    review = coded("HPI: Poor glycemic control.\n\nAssessment: Type 2 diabetes.", {"Type 2 diabetes": "E11.9"})
    assert _quoted(review, "E11.65") == ["Poor glycemic control", "Type 2 diabetes"]


def test_the_stage_is_quoted_first(coded: Coded) -> None:
    """N18.31 shows the words with the stage first."""
    review = coded("HPI: CKD 3a.\n\nAssessment: Chronic kidney disease.", {"Chronic kidney disease": "N18.9"})
    assert _quoted(review, "N18.31") == ["CKD 3a", "Chronic kidney disease"]
