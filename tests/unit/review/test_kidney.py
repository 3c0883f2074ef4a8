"""The stage of chronic kidney disease: guideline I.C.14.a.1."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cds_service.review import CodingReview


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("CKD 3a", "N18.31"),
        ("CKD stage 4", "N18.4"),
        ("stage IIIb chronic kidney disease", "N18.32"),
        ("CKD4", "N18.4"),
        ("CKD-3b", "N18.32"),
        ("CKD G3a", "N18.31"),
        ("chronic kidney disease, stage 3", "N18.30"),
        ("CKD (stage V)", "N18.5"),
        ("CKD, likely diabetic, stage II", "N18.2"),
    ],
)
def test_the_stage_in_the_words(coded: Callable[..., CodingReview], words: str, code: str) -> None:
    """The words name the stage: it is coded, whether the engine is silent, unsure or vague."""
    assert [d.code for d in coded(f"Assessment: {words}.", {}).diagnoses] == [code]
    assert [d.code for d in coded(f"Assessment: {words}.", {words: "N18.9"}).diagnoses] == [code]


@pytest.mark.parametrize(
    "text",
    [
        "Assessment: CKD 2/2 lupus.",
        "Assessment: 1. CKD 2. Gout.",
        "Assessment:\n1. CKD\n2. Gout",
        "Assessment: CKD 3 years ago.",
        "Assessment: CKD and breast cancer stage 2.",
        "Assessment: CKD. Mother has CKD stage 4.",
        "Assessment: CKD. At risk of CKD stage 5.",
    ],
)
def test_a_number_that_is_no_stage(coded: Callable[..., CodingReview], text: str) -> None:
    """Near misses: list numbers, dates, "2/2", other diseases, relatives and risks leave N18.9."""
    assert {d.code for d in coded(text, {"CKD": "N18.9"}).diagnoses} == {"N18.9"}


def test_two_stages_in_one_note_give_none(coded: Callable[..., CodingReview]) -> None:
    """A contradiction is never decided; "3" beside "3a" is none."""
    said = {"Chronic renal failure": "N18.9"}
    assert [d.code for d in coded("Assessment: Chronic renal failure, CKD stage 2. Later CKD stage 4.", said).diagnoses] == ["N18.9"]
    assert [d.code for d in coded("Assessment: Chronic renal failure, CKD stage 3. Later CKD 3a.", said).diagnoses] == ["N18.31"]


def test_the_stage_follows_a_combination(coded: Callable[..., CodingReview]) -> None:
    """"T2DM w/ CKD 3a" read as E11.22 alone: the additional code says the stage; stage 5 with hypertension is I12.0."""
    assert [d.code for d in coded("T2DM w/ CKD 3a", {"T2DM w/ CKD 3a": "E11.22"}).diagnoses] == ["E11.22", "N18.31"]
    assert [d.code for d in coded("Assessment: Hypertension. CKD stage 5.", {"Hypertension": "I10"}).diagnoses] == ["I12.0", "N18.5"]
