"""Diabetes: guideline I.C.4.a and the links that the classification presumes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from cds_service.review import CodingReview, Knowledge
from fhir_mappers.record import Coding, Concept, Medication, Problem
from tests.unit.review.conftest import note, of, reading, record

Coded = Callable[..., CodingReview]
TYPE_2 = Problem("Condition/1", Concept((Coding("http://snomed.info/sct", "44054006", "Type 2 diabetes mellitus"),)), "problem-list-item", "active")


def codes(review: CodingReview) -> list[str]:
    """Return the codes in sequence."""
    return [d.code for d in review.diagnoses]


def test_poor_control_of_a_patient_with_diabetes_on_the_problem_list(knowledge: Knowledge) -> None:
    """Index, Diabetes, poorly controlled: E11.65; insulin is Z79.4. The problem list says which disease is meant."""
    one = note("Assessment: Poor glycemic control, on insulin.")
    review = of(record(one, problems=(TYPE_2,)), {one.source: reading(one.text, {})}, knowledge)
    assert codes(review) == ["E11.65", "Z79.4"]
    assert {e.kind for e in review.diagnoses[0].evidence} == {"note", "structured"}


def test_uncontrolled_sugar_of_a_patient_with_diabetes_on_the_problem_list(knowledge: Knowledge) -> None:
    """Another wording of the same; insulin from the medication list."""
    one = note("Long-standing uncontrolled sugar levels.")
    drug = Medication("MedicationRequest/1", Concept(text="insulin glargine 100 unit/mL"), "active", date=datetime(2026, 1, 1, tzinfo=UTC))
    review = of(record(one, problems=(TYPE_2,), medications=(drug,)), {one.source: reading(one.text, {})}, knowledge)
    assert codes(review) == ["E11.65", "Z79.4"]


def test_poor_control_without_any_documented_diabetes_is_a_finding(coded: Coded) -> None:
    """Never more specific than documented: R73.9, and E11.65 is named with what would make it right."""
    review = coded("Assessment: Long-standing uncontrolled sugar levels.", {"uncontrolled sugar levels": "E11.65"})
    assert codes(review) == ["R73.9"]
    other = next(a for a in review.diagnoses[0].alternatives if a.code == "E11.65")
    assert other.why == "Right if a provider documents that the patient has diabetes."


def test_hyperglycemia_is_the_with_of_documented_diabetes(coded: Coded) -> None:
    """I.A.15: E11.9 and R73.9 together are E11.65."""
    review = coded("Assessment: Type 2 diabetes. Hyperglycemia.", {"Type 2 diabetes": "E11.9", "Hyperglycemia": "R73.9"})
    assert codes(review) == ["E11.65"]


def test_poorly_controlled_diabetes(coded: Coded) -> None:
    """Index: poorly controlled - code to Diabetes, by type, with hyperglycemia."""
    assert codes(coded("Assessment: Poorly controlled type 2 diabetes.", {"type 2 diabetes": "E11.9"})) == ["E11.65"]


def test_controlled_diabetes_stays_without_complication(coded: Coded) -> None:
    """Near miss: well controlled; and a high HbA1c alone says nothing (annotation guide)."""
    assert codes(coded("Assessment: Type 2 diabetes, well controlled. HbA1c 9.1.", {"Type 2 diabetes": "E11.9"})) == ["E11.9"]


def test_kidney_disease_beside_diabetes_is_diabetic_and_keeps_its_stage(coded: Coded) -> None:
    """I.A.15: E11.22, and the stage follows."""
    said = {"Type 2 diabetes": "E11.9", "CKD stage 3a": "N18.31"}
    assert codes(coded("Assessment: Type 2 diabetes. CKD stage 3a.", said)) == ["E11.22", "N18.31"]


def test_neuropathy_and_a_foot_ulcer_are_both_coded(coded: Coded) -> None:
    """As many codes of E11 as describe all complications."""
    said = {"Type 1 diabetes": "E10.9", "neuropathy": "G62.9", "ulcer of the left heel": "L97.429"}
    assert codes(coded("Assessment: Type 1 diabetes with neuropathy and ulcer of the left heel.", said)) == ["E10.40", "E10.621", "L97.429"]


def test_a_complication_documented_as_of_another_cause_is_not_linked(coded: Coded) -> None:
    """Near miss: the documentation says that the conditions are unrelated."""
    said = {"Type 2 diabetes": "E11.9", "Neuropathy": "G62.9"}
    assert codes(coded("Assessment: Type 2 diabetes. Neuropathy, unrelated to his diabetes.", said)) == ["E11.9", "G62.9"]


def test_sliding_scale_insulin_is_not_long_term(coded: Coded) -> None:
    """I.C.4.a.3: insulin given temporarily is not Z79.4."""
    assert "Z79.4" not in codes(coded("Hospital course: Type 2 diabetes, insulin sliding scale while in the hospital.", {"Type 2 diabetes": "E11.9"}))


def test_insulin_of_type_1_is_not_coded_by_rule(coded: Coded) -> None:
    """Type 1 needs insulin: the rule adds Z79.4 for the other types only."""
    assert "Z79.4" not in codes(coded("Assessment: Type 1 diabetes on insulin glargine.", {"Type 1 diabetes": "E10.9"}))


@pytest.mark.parametrize(("words", "code"), [("MODY3", "E13.9"), ("type 2 ketoacidosis", "E11.10"), ("DKA", "E10.10")])
def test_other_words_for_diabetes_document_it(coded: Coded, words: str, code: str) -> None:
    """The disease is documented by its kinds and by its acidosis as well as by its name."""
    assert codes(coded(f"Assessment: {words}.", {words: code})) == [code]
