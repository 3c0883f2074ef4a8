"""FHIR resources become one encounter record."""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime
from typing import Any

import pytest

from fhir_mappers import BadResource, EncounterRecord, WrongPatient, read_bundle, read_resources
from fhir_mappers.record import Setting

TODAY = date(2026, 3, 10)
PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1961-04-02", "gender": "female"}
ENCOUNTER = {
    "resourceType": "Encounter",
    "id": "e1",
    "status": "finished",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
    "subject": {"reference": "Patient/p1"},
    "period": {"start": "2026-03-01T09:00:00-05:00", "end": "2026-03-01T09:30:00-05:00"},
}


def note(text: str = "Type 2 diabetes, stable.", **changes: Any) -> dict[str, Any]:
    """Return a DocumentReference with inline text."""
    attachment = {"contentType": "text/plain; charset=utf-8", "data": base64.b64encode(text.encode()).decode()}
    return {
        "resourceType": "DocumentReference",
        "id": "n1",
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11506-3", "display": "Progress note"}]},
        "subject": {"reference": "Patient/p1"},
        "date": "2026-03-01T14:30:00Z",
        "author": [{"display": "Ann Field, MD"}],
        "content": [{"attachment": attachment}],
        "context": {"encounter": [{"reference": "Encounter/e1"}]},
    } | changes


def record(*resources: Any, encounter_id: str | None = "e1") -> EncounterRecord:
    """Read the resources with patient and encounter."""
    return read_resources([PATIENT, ENCOUNTER, *resources], patient_id="p1", encounter_id=encounter_id, today=TODAY)


def test_a_note_comes_with_its_text_type_date_and_author() -> None:
    """DocumentReference: inline text/plain."""
    found = record(note())
    assert found.skipped == ()
    assert [(n.source, n.text, n.title, n.date, n.author, n.author_role) for n in found.notes] == [
        ("DocumentReference/n1", "Type 2 diabetes, stable.", "Progress note", datetime(2026, 3, 1, 14, 30, tzinfo=UTC), "Ann Field, MD", "physician")
    ]
    assert (found.patient.birth_date, found.patient.gender) == (date(1961, 4, 2), "female")


def test_a_bundle_is_read_like_its_resources() -> None:
    """One patient and one encounter in a Bundle need not be named."""
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in (PATIENT, ENCOUNTER, note())]}
    found = read_bundle(bundle, today=TODAY)
    assert (found.patient.id, found.encounter_id, found.setting, len(found.notes)) == ("p1", "e1", Setting.OUTPATIENT, 1)


@pytest.mark.parametrize("subject", ["Patient/p2", "https://ehr.example.org/fhir/Patient/p2", "Patient/p2/_history/3"])
def test_a_resource_of_another_patient_is_refused(subject: str) -> None:
    """A resource of the wrong patient is refused."""
    with pytest.raises(WrongPatient, match="DocumentReference/n1 is about another patient"):
        record(note(subject={"reference": subject}))


def test_an_empty_bundle_says_what_to_send() -> None:
    """Empty Bundle."""
    with pytest.raises(BadResource, match="has no resources"):
        read_bundle({"resourceType": "Bundle", "type": "collection"})
