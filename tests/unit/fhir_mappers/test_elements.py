"""Elements of FHIR JSON: what has the right type is read, anything else is absent."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from fhir_mappers import elements
from fhir_mappers.record import Coding, Concept

EST = timezone(timedelta(hours=-5))


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2024-05-02T10:30:15-05:00", datetime(2024, 5, 2, 10, 30, 15, tzinfo=EST)),
        ("2024-05-02T10:30:15.123456789Z", datetime(2024, 5, 2, 10, 30, 15, 123456, tzinfo=UTC)),
        ("2024-05-02T10:30:15", datetime(2024, 5, 2, 10, 30, 15, tzinfo=UTC)),
        ("2024-05-02T10:30-0500", datetime(2024, 5, 2, 10, 30, tzinfo=EST)),
        ("2024-05-02 10:30:15", datetime(2024, 5, 2, 10, 30, 15, tzinfo=UTC)),
        ("2024-05-02T24:00:00Z", datetime(2024, 5, 3, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2024-05-02", datetime(2024, 5, 2, tzinfo=UTC)),
        ("2024-05", datetime(2024, 5, 1, tzinfo=UTC)),
        ("2024", datetime(2024, 1, 1, tzinfo=UTC)),
    ],
)
def test_dates_with_and_without_zone_and_partial_dates(written: str, moment: datetime) -> None:
    """R4 dateTime: YYYY, YYYY-MM, YYYY-MM-DD or a full time; a missing zone counts as UTC."""
    found = elements.moment(written)
    assert found == moment
    assert found.utcoffset() == moment.utcoffset()


@pytest.mark.parametrize(
    "written",
    ["", "yesterday", "2024-13-01", "2024-02-30", "2024-05-02T25:10:00Z", "0000", "20240501", "2024-05-02T25:61:00Z", "05/02/2024", 2024, None, [], True],
)
def test_what_is_no_date_is_absent(written: object) -> None:
    """A date that can't be read is never guessed."""
    assert elements.moment(written) is None


def test_the_day_is_that_of_the_zone_it_was_written_in() -> None:
    """A visit at 23:30 in New York is of that day, though UTC is a day further."""
    assert elements.day("2026-09-30T23:30:00-04:00") == date(2026, 9, 30)


@pytest.mark.parametrize(
    ("value", "number"), [(8.1, 8.1), (7, 7.0), ("8.1", 8.1), (True, None), ("high", None), (None, None), ("nan", None), (1e400, None), ([], None)]
)
def test_numbers(value: object, number: float | None) -> None:
    """A string of digits is a number, a boolean isn't, infinity isn't."""
    assert elements.number(value) == number


@pytest.mark.parametrize(
    ("value", "concept"),
    [
        (
            {"coding": [{"system": "http://loinc.org", "code": "4548-4", "display": "A1c"}], "text": "HbA1c"},
            Concept((Coding("http://loinc.org", "4548-4", "A1c"),), "HbA1c"),
        ),
        ({"system": "urn:oid:2.16.840.1.113883.6.90", "code": "E11.9"}, Concept((Coding("http://hl7.org/fhir/sid/icd-10-cm", "E11.9"),))),
        ("confirmed", Concept((), "confirmed")),
        ({"coding": [{"display": "words only"}]}, Concept((), "words only")),
        ({"coding": {"system": "s", "code": "c"}}, Concept((Coding("s", "c"),))),
        ({"concept": {"text": "R5"}}, Concept((), "R5")),
        ({"coding": [None, 5, {"code": 5}]}, None),
        ({}, None),
        (5, None),
        ("  ", None),
    ],
)
def test_concepts_of_all_forms(value: Any, concept: Concept | None) -> None:
    """CodeableConcept, Coding, STU3 plain code, R5 CodeableReference; an empty one is absent."""
    assert elements.concept(value) == concept


@pytest.mark.parametrize(
    ("reference", "identity"),
    [
        ("Patient/1", ("Patient", "1")),
        ("https://ehr.example.org/fhir/Patient/1", ("Patient", "1")),
        ("Patient/1/_history/2", ("Patient", "1")),
        ("https://ehr.example.org/fhir/Patient/1/_history/2", ("Patient", "1")),
        ("#contained", None),
        ("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", None),
        ("1", None),
    ],
)
def test_references_name_type_and_id(reference: str, identity: tuple[str, str] | None) -> None:
    """R4 references: relative, absolute, versioned."""
    assert elements.identity(reference) == identity


def test_text_that_no_database_can_hold_is_mended() -> None:
    """JSON may carry NUL and half surrogates; UTF-8 can't."""
    assert elements.text({"a": "x\ud800y\0z"}, "a") == "x\ufffdy\ufffdz"
