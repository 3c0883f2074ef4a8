"""The groups that an evaluation is broken down by."""

from __future__ import annotations

import numpy as np
import pytest

from cds_service.evaluation.groups import chapter, person
from onnx_models.evaluation.metrics import reliability


@pytest.mark.parametrize(
    ("code", "name"),
    [("A00.0", "01 infectious"), ("D49.6", "02 neoplasms"), ("D50.9", "03 blood"), ("H59.9", "07 eye"), ("H60.00", "08 ear"), ("T14.90", "19 injury"),
     ("U07.1", "22 special"), ("V00.01XA", "20 external causes"), ("Y92.9", "20 external causes"), ("Z99.9", "21 factors")],
)  # fmt: skip
def test_a_code_belongs_to_its_chapter(code: str, name: str) -> None:
    """The chapters of the tabular list, by first category."""
    assert chapter(code) == name


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("A 67-year-old woman with cough.", {"age": "65 and over", "sex": "female"}),
        ("8 month old, he is well.", {"age": "under 18", "sex": "male"}),
        ("Cough for two days.", {}),
    ],
)
def test_age_and_sex_are_as_the_note_tells(text: str, groups: dict[str, str]) -> None:
    """What the words don't tell is in no group."""
    assert dict(person(text)) == groups


def test_reliability_counts_every_answer_once() -> None:
    """A confidence of 1 belongs to the last bin; empty bins are left out."""
    bins = reliability(np.array([0.05, 0.95, 1.0]), np.array([False, True, False]))
    assert [(b.low, b.answers, b.right) for b in bins] == [(0.0, 1, 0.0), (0.9, 2, 0.5)]
