"""Side, acuity, severity, stage, episode and control."""

from __future__ import annotations

import pytest

from onnx_models.attributes import attributes_of


@pytest.mark.parametrize(
    ("text", "mention", "field", "expected"),
    [
        ("left hip pain", "hip pain", "laterality", "left"),
        ("left hip pain and knee pain", "knee pain", "laterality", None),
        ("knee pain, bilateral", "knee pain", "laterality", None),
        ("bilateral knee pain", "knee pain", "laterality", "bilateral"),
        ("fracture of the right radius", "fracture of the right radius", "laterality", "right"),
        ("acute on chronic systolic heart failure", "heart failure", "acuity", "acute on chronic"),
        ("moderate persistent asthma", "asthma", "severity", "moderate"),
        ("CKD stage 3b", "CKD stage 3b", "stage", "3b"),
        ("CKD stage IV", "CKD stage IV", "stage", "4"),
        ("diabetes, poorly controlled", "diabetes", "control", "poorly controlled"),
        ("Uncontrolled hypertension", "hypertension", "control", "uncontrolled"),
        ("hypertension well controlled", "hypertension", "control", "controlled"),
        ("follow-up of wrist fracture", "wrist fracture", "episode", "subsequent"),
        ("hip pain", "hip pain", "laterality", None),
    ],
)
def test_attributes_are_what_the_words_say(text: str, mention: str, field: str, expected: str | None) -> None:
    """Words inside the mention or right beside it; nothing is inferred from elsewhere."""
    begin = text.index(mention)
    assert getattr(attributes_of(text, (0, len(text)), (begin, begin + len(mention))), field) == expected
