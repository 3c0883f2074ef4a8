"""Observations: laboratory results and vital signs, one value each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_mappers import EncounterRecord
from fhir_mappers.record import ReferenceRange

Read = Callable[..., EncounterRecord]
LAB = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}]


def result(code: str = "4548-4", **changes: Any) -> dict[str, Any]:
    """Return an Observation."""
    return {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "category": LAB,
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-02-20T08:00:00Z",
    } | changes


def test_a_result_comes_with_unit_range_and_interpretation(read: Read) -> None:
    """valueQuantity, referenceRange, interpretation."""
    given = result(
        valueQuantity={"value": 8.1, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%", "comparator": ">"},
        referenceRange=[{"low": {"value": 4.0, "unit": "%"}, "high": {"value": 5.6, "unit": "%"}, "text": "4.0-5.6"}],
        interpretation=[{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": "H"}]}],
    )
    record = read(given)
    found = record.observations[0]
    assert record.skipped == ()
    assert (found.value, found.unit, found.canonical_value, found.canonical_unit, found.comparator) == (8.1, "%", 8.1, "%", ">")
    assert (found.category, found.interpretation, found.reference_range) == ("laboratory", "H", ReferenceRange(4.0, 5.6, "4.0-5.6"))
    assert found.effective == datetime(2026, 2, 20, 8, tzinfo=UTC)


def test_blood_pressure_components_are_values_of_their_own(read: Read) -> None:
    """Observation.component."""
    parts = [
        {"code": {"coding": [{"system": "http://loinc.org", "code": code}]}, "valueQuantity": {"value": value, "unit": "mmHg"}}
        for code, value in (("8480-6", 152), ("8462-4", 88))
    ]
    found = read(result("85354-9", category=[], component=parts)).observations
    assert [(o.source, o.concept.codings[0].code, o.canonical_value, o.canonical_unit, o.category) for o in found] == [
        ("Observation/o1", "8480-6", 152.0, "mm[Hg]", "vital-signs"),
        ("Observation/o1", "8462-4", 88.0, "mm[Hg]", "vital-signs"),
    ]


@pytest.mark.parametrize(
    ("words", "value", "unit", "comparator"),
    [("8.1", 8.1, None, None), ("8.1 %", 8.1, "%", None), ("<0.01 ng/mL", 0.01, "ng/mL", "<"), (">= 60", 60.0, None, ">="), ("12 mg/dl", 12.0, "mg/dL", None)],
)
def test_numbers_written_as_text_are_numbers(read: Read, words: str, value: float, unit: str | None, comparator: str | None) -> None:
    """valueString with a number, its unit and its comparator."""
    found = read(result(valueString=words)).observations[0]
    assert (found.value, found.unit, found.comparator, found.value_text) == (value, unit, comparator, words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"valueString": "positive for nitrite"}, "positive for nitrite"),
        ({"valueCodeableConcept": {"text": "Detected"}}, "Detected"),
        ({"valueBoolean": False}, "false"),
        ({"valueString": "1,200"}, "1,200"),
        ({"valueString": "4-6"}, "4-6"),
    ],
)
def test_other_values_are_words(read: Read, changes: dict[str, Any], words: str) -> None:
    """Text, coded and yes-no values; an ambiguous number stays text."""
    found = read(result(**changes)).observations[0]
    assert (found.value, found.value_text) == (None, words)


@pytest.mark.parametrize(
    ("code", "changes", "category"),
    [
        ("8867-4", {}, "vital-signs"),
        ("4548-4", {}, "laboratory"),
        ("local", {"code": {"text": "Gamma test"}, "referenceRange": [{"text": "low"}]}, "laboratory"),
        ("local", {"code": {"text": "Something"}}, "unknown"),
    ],
)
def test_a_missing_category_is_told_by_the_code(read: Read, code: str, changes: dict[str, Any], category: str) -> None:
    """Servers leave category out."""
    given = result(code, valueInteger=5) | changes
    del given["category"]
    assert read(given).observations[0].category == category


@pytest.mark.parametrize("written", [{"text": "High"}, {"coding": [{"code": "high"}]}, {"coding": [{"code": "9", "display": "High"}]}])
def test_interpretations_in_words_become_codes(read: Read, written: dict[str, Any]) -> None:
    """v3-ObservationInterpretation."""
    assert read(result(valueInteger=9, interpretation=[written])).observations[0].interpretation == "H"


def test_an_stu3_interpretation_that_is_no_list_is_read(read: Read) -> None:
    """STU3: interpretation was a single CodeableConcept."""
    assert read(result(valueInteger=9, interpretation={"coding": [{"code": "LL"}]})).observations[0].interpretation == "LL"


def test_limits_in_another_unit_are_left_out(read: Read) -> None:
    """A range that can't be compared is none."""
    given = result("2345-7", valueQuantity={"value": 110, "code": "mg/dL"}, referenceRange=[{"high": {"value": 5.6, "code": "mmol/L"}}])
    assert read(given).observations[0].reference_range is None


def test_without_a_value_there_is_nothing_to_read(said: Callable[..., list[tuple[str, str]]]) -> None:
    """A result without value is said, one that tells why it has none is not."""
    assert said(result()) == [("Observation/o1", "It has no code or no value. Send value[x] or component.value[x].")]
    assert said(result(dataAbsentReason={"text": "not done"})) == []
    assert said(result(status="cancelled")) == [("Observation/o1", "The observation is cancelled. Nothing to do: it has no result.")]
