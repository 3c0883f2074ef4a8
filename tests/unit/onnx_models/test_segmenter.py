"""Sections and sentences."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_models.segmenter import kind_of, section_at, sections, sentences

NOTE = """CHIEF COMPLAINT
Back pain.

HISTORY OF PRESENT ILLNESS
Mr. Lee, seen by Dr. Hall, takes 2.5 mg b.i.d. of apixaban. He denies fever; he has chills.

REVIEW OF SYSTEMS
GENERAL: No weight loss.
CARDIOVASCULAR: No chest pain.

Assessment and Plan:
1. Atrial fibrillation
2. Low back pain, lumbar
- start physical therapy
"""


def test_headings_open_sections_of_their_kind() -> None:
    """Headings alone on a line, in capitals or with a colon, name their sections; body systems stay inside the review."""
    assert [(s.kind, s.title) for s in sections(NOTE)] == [
        ("chief_complaint", "CHIEF COMPLAINT"),
        ("hpi", "HISTORY OF PRESENT ILLNESS"),
        ("ros", "REVIEW OF SYSTEMS"),
        ("assessment_plan", "Assessment and Plan"),
    ]


def test_headings_inside_a_dictated_line_are_found() -> None:
    """Transcribed reports run headings into the text: capitals before a colon still open a section."""
    text = "ADMISSION DIAGNOSIS: , Hip fracture.,HOSPITAL COURSE: , She did well.,DISPOSITION: , Home."
    assert [s.kind for s in sections(text)] == ["admission_diagnosis", "hospital_course", "plan"]


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("PMH", "past_medical"), ("Past Surgical History", "past_surgical"), ("FAMILY HISTORY", "family"), ("A/P", "assessment_plan"),
        ("Discharge Diagnoses", "diagnosis"), ("ROS", "ros"), ("Hospital Course", "hospital_course"), ("Discharge Instructions", "instructions"),
        ("IMPRESSION", "impression"), ("Shopping list", None),
    ],
)  # fmt: skip
def test_titles_have_a_canonical_kind(title: str, kind: str | None) -> None:
    """The table knows the headings of US notes and admits what it doesn't know."""
    assert kind_of(title) == kind


def test_sentences_survive_abbreviations_decimals_and_lists() -> None:
    """Dr., b.i.d. and 2.5 end nothing; list items and semicolons do."""
    spans = [NOTE[s.begin : s.end] for s in sentences(NOTE, sections(NOTE))]
    assert spans == [
        "Back pain.",
        "Mr. Lee, seen by Dr. Hall, takes 2.5 mg b.i.d. of apixaban.",
        "He denies fever;",
        "he has chills.",
        "GENERAL: No weight loss.",
        "CARDIOVASCULAR: No chest pain.",
        "Atrial fibrillation",
        "Low back pain, lumbar",
        "start physical therapy",
    ]


@given(st.text(alphabet=st.sampled_from("AaBc .:;,-\n•1)(\u00e9\u200f\t"), max_size=300))
def test_sections_cover_in_order_and_sentences_stay_inside(text: str) -> None:
    """Whatever the text, sections come in order without overlap, and every sentence is a non-empty slice of one of them."""
    parts = sections(text)
    assert all(a.end <= b.begin for a, b in pairwise(parts))
    for line in sentences(text, parts):
        assert 0 <= line.begin < line.end <= len(text)
        part = section_at(parts, line.begin)
        assert part.begin <= line.begin
        assert line.end <= part.end
