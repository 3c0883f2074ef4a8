"""Results beside the note: newest value, limits, course, and what they support."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_mappers.record import Concept, EncounterRecord, Medication, Observation, Patient, Problem, ReferenceRange, Setting
from smart_app.results import drugs, findings, readable_unit, results


def observation(source: str, label: str, value: float | None, month: int, **more: Any) -> Observation:
    """Return a result."""
    return Observation(source, Concept(text=label), "laboratory", datetime(2026, month, 1, tzinfo=UTC), value, **{"unit": "%", **more})


def record(*observations: Observation, **parts: Any) -> EncounterRecord:
    """Return a record with these results."""
    return EncounterRecord(Patient("p"), "e", Setting.OUTPATIENT, None, None, observations=observations, **parts)


def test_one_row_a_test_with_its_course() -> None:
    """The newest value stands, the others are the course, in words for those who don't see the line."""
    high = ReferenceRange(4.0, 5.6)
    (row,) = results(record(observation("o2", "A1c", 10.2, 3, reference_range=high), observation("o1", "A1c", 8.9, 1)), {"o1": {"d0": "E11.65"}})
    assert (row.value, row.flag, row.limits, row.count) == ("10.2 %", "high", "4 to 5.6", 2)
    assert row.words == "8.9 % on 2026-01-01, 10.2 % on 2026-03-01"
    assert row.curve == "3,21 93,3"
    assert row.last == (93.0, 3.0)
    assert row.supports == (("d0", "E11.65"),)


def test_what_supports_something_comes_first_then_the_abnormal() -> None:
    """The order helps the eye: support, abnormal, the rest."""
    loud = observation("b", "Loud", 1, 1, interpretation="HH")
    rows = results(record(observation("a", "Calm", 1, 1), loud, observation("c", "Used", 1, 1)), {"c": {"q": "?"}})
    assert [r.label for r in rows] == ["Used", "Loud", "Calm"]
    assert rows[1].flag == "critically high"


@pytest.mark.parametrize(
    ("more", "flag"),
    [
        ({"interpretation": "N"}, None), ({"interpretation": "L"}, "low"), ({"reference_range": ReferenceRange(low=60)}, "low"),
        ({"reference_range": ReferenceRange(high=60)}, None), ({"reference_range": ReferenceRange(high=60), "comparator": ">"}, None), ({}, None),
    ],
)  # fmt: skip
def test_flags(more: dict[str, Any], flag: str | None) -> None:
    """The laboratory's own interpretation wins; else the limits decide; a comparator leaves it open."""
    (row,) = results(record(observation("o", "eGFR", 52, 1, **more)), {})
    assert row.flag == flag


def test_a_result_in_words() -> None:
    """A result without a number shows its words and has no course."""
    (row,) = results(record(observation("o", "Culture", None, 1, value_text="no growth", unit=None)), {})
    assert (row.value, row.curve, row.last) == ("no growth", "", None)


@pytest.mark.parametrize(
    ("ucum", "words"),
    [
        ("mm[Hg]", "mmHg"), ("10*3/uL", "10³/µL"), ("mL/min/{1.73_m2}", "mL/min/1.73 m²"), ("Cel", "°C"), ("{score}", ""), ("ug/L", "µg/L"),
        ("kg/m2", "kg/m²"), ("%", "%"), ("", ""), ("meq/L", "meq/L"),
    ],
)  # fmt: skip
def test_units_are_written_as_people_write_them(ucum: str, words: str) -> None:
    """UCUM is for machines."""
    assert readable_unit(ucum) == words


def test_the_same_drug_twice_is_shown_once() -> None:
    """Orders that repeat each other are one row; problems keep their ICD-10 code."""
    drug = Medication("m1", Concept(text="Insulin glargine"), "active", dosage="24 units")
    parts: dict[str, Any] = {"medications": (drug, drug), "problems": (Problem("c1", Concept(text="Diabetes"), "problem-list-item", "active"),)}
    assert [(d.label, d.dosage) for d in drugs(record(**parts), {})] == [("Insulin glargine", "24 units")]
    assert [(f.label, f.code, f.status) for f in findings(record(**parts), {"c1": {"d0": "E11.9"}})] == [("Diabetes", None, "active")]
