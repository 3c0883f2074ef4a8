"""Problems, medications, orders, procedures, allergies, devices and coverage."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from fhir_mappers import EncounterRecord
from fhir_mappers.record import Coding, Concept

Read = Callable[..., EncounterRecord]
SUBJECT = {"reference": "Patient/p1"}
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def condition(**changes: Any) -> dict[str, Any]:
    """Return a Condition."""
    return {"resourceType": "Condition", "id": "c1", "subject": SUBJECT, "code": {"text": "Type 2 diabetes"}} | changes


def test_a_problem_comes_with_status_dates_and_site(read: Read) -> None:
    """Condition in R4 form."""
    given = condition(
        category=[{"coding": [{"code": "problem-list-item"}]}],
        clinicalStatus={"coding": [{"code": "active"}]},
        verificationStatus={"coding": [{"code": "confirmed"}]},
        onsetDateTime="2019",
        recordedDate="2020-01-02",
        bodySite=[{"text": "left foot"}],
    )
    found = read(given).problems[0]
    assert (found.category, found.clinical_status, found.verification_status) == ("problem-list-item", "active", "confirmed")
    assert (found.onset, found.recorded, found.body_sites) == (date(2019, 1, 1), date(2020, 1, 2), (Concept((), "left foot"),))


def test_stu3_statuses_are_read_without_a_word(read: Read) -> None:
    """STU3: clinicalStatus and verificationStatus are plain codes."""
    record = read(condition(clinicalStatus="active", verificationStatus="provisional", assertedDate="2020-01-02", category="diagnosis"))
    found = record.problems[0]
    assert (found.clinical_status, found.verification_status, found.recorded, found.category) == (
        "active",
        "provisional",
        date(2020, 1, 2),
        "encounter-diagnosis",
    )
    assert record.skipped == ()


@pytest.mark.parametrize(
    ("changes", "category"),
    [
        ({}, "problem-list-item"),
        ({"encounter": {"reference": "Encounter/e1"}}, "encounter-diagnosis"),
        ({"category": [{"coding": [{"code": "encounter-diagnosis"}]}]}, "encounter-diagnosis"),
        ({"category": [{"text": "Encounter Diagnosis"}]}, "encounter-diagnosis"),
        ({"category": [{"coding": [{"code": "health-concern"}]}], "encounter": {"reference": "Encounter/e1"}}, "problem-list-item"),
    ],
)
def test_the_category_is_told_or_follows_from_the_encounter(read: Read, changes: dict[str, Any], category: str) -> None:
    """Servers that leave category out name the encounter of a diagnosis."""
    assert read(condition(**changes)).problems[0].category == category


def test_diagnoses_of_other_encounters_without_a_date_are_left_out_and_counted(read: Read) -> None:
    """The problem list stays whole."""
    other = {"encounter": {"reference": "Encounter/e9"}}
    listed = condition(id="c2", category=[{"coding": [{"code": "problem-list-item"}]}], **other)
    record = read(condition(**other), listed)
    assert [p.source for p in record.problems] == ["Condition/c2"]
    assert [s.reason.split(".")[0] for s in record.skipped] == ["1 diagnoses of other encounters were not read: later, refuted, or without a date"]


def test_diagnoses_of_earlier_encounters_keep_their_date(read: Read) -> None:
    """Dated by recordedDate, else by the encounter's start; later and refuted ones are left out and counted."""
    visit = {"resourceType": "Encounter", "id": "e8", "status": "finished", "subject": {"reference": "Patient/p1"}, "period": {"start": "2025-05-06T09:00:00Z"}}
    other = {"encounter": {"reference": "Encounter/e9"}}
    record = read(
        visit,
        condition(id="c1", recordedDate="2025-09-01", **other),
        condition(id="c2", encounter={"reference": "Encounter/e8"}),
        condition(id="c3", recordedDate="2026-03-05", **other),
        condition(id="c4", recordedDate="2025-09-01", verificationStatus={"coding": [{"code": "refuted"}]}, **other),
    )
    assert [(d.source, d.day.isoformat(), d.encounter) for d in record.earlier_diagnoses] == [
        ("Condition/c2", "2025-05-06", "e8"),
        ("Condition/c1", "2025-09-01", "e9"),
    ]
    assert record.problems == ()
    assert [s.reason.split(" ")[0] for s in record.skipped] == ["2"]


def medication(**changes: Any) -> dict[str, Any]:
    """Return a MedicationRequest."""
    return {"resourceType": "MedicationRequest", "id": "m1", "status": "active", "intent": "order", "subject": SUBJECT} | changes


CODED = {"coding": [{"system": "urn:oid:2.16.840.1.113883.6.88", "code": "860975", "display": "metformin 500 MG"}]}


@pytest.mark.parametrize(
    "changes",
    [
        {"medicationCodeableConcept": CODED},
        {"contained": [{"resourceType": "Medication", "id": "d1", "code": CODED}], "medicationReference": {"reference": "#d1"}},
        {"medicationReference": {"reference": "Medication/d2"}},
        {"medicationReference": {"reference": "https://ehr.example.org/fhir/Medication/d2"}},
        {"medication": {"concept": CODED}},
        {"medication": {"reference": {"reference": "Medication/d2"}}},
    ],
)
def test_the_drug_is_found_where_it_is_named(read: Read, changes: dict[str, Any]) -> None:
    """medicationCodeableConcept; medicationReference to a contained or another resource; R5 CodeableReference."""
    record = read(medication(**changes), {"resourceType": "Medication", "id": "d2", "code": CODED})
    assert [m.concept.code_in(RXNORM) for m in record.medications] == ["860975"]


def test_a_reference_that_leads_nowhere_still_has_its_display(read: Read) -> None:
    """medicationReference.display."""
    assert (
        read(medication(medicationReference={"reference": "Medication/gone", "display": "insulin glargine"})).medications[0].concept.label == "insulin glargine"
    )


def test_a_drug_without_a_name_is_said(said: Callable[..., list[tuple[str, str]]]) -> None:
    """Nothing is lost in silence."""
    assert said(medication()) == [
        ("MedicationRequest/m1", "It has no medicationCodeableConcept, and its medicationReference leads to no medication in the input. Send a code or a text.")
    ]


def test_kind_status_dosage_and_reasons_of_drugs(read: Read) -> None:
    """A draft of order-sign keeps its status; statements and administrations are told apart."""
    reason = {"reasonReference": [{"reference": "Condition/c1"}], "reasonCode": [{"text": "high sugar"}]}
    record = read(
        condition(),
        medication(status="draft", medicationCodeableConcept=CODED, dosageInstruction=[{"text": "1 tablet twice daily"}], authoredOn="2026-03-01", **reason),
        {"resourceType": "MedicationStatement", "id": "s1", "subject": SUBJECT, "medicationCodeableConcept": CODED, "effectivePeriod": {"start": "2025-01-01"}},
        {"resourceType": "MedicationAdministration", "id": "a1", "subject": SUBJECT, "medicationCodeableConcept": CODED, "status": "completed"},
    )
    assert [(m.kind, m.status) for m in record.medications] == [("request", "draft"), ("statement", None), ("administration", "completed")]
    assert record.medications[0].dosage == "1 tablet twice daily"
    assert [r.label for r in record.medications[0].reasons] == ["high sugar", "Type 2 diabetes"]
    assert [m.date for m in record.medications] == [datetime(2026, 3, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC), None]


def test_draft_orders_are_read_whatever_their_encounter(read: Read) -> None:
    """order-sign: drafts keep status 'draft'; orders of other encounters are left out."""
    base = {"resourceType": "ServiceRequest", "subject": SUBJECT, "intent": "order"}
    record = read(
        base | {"id": "r1", "status": "draft", "code": {"text": "HbA1c"}, "quantityQuantity": {"value": 2}, "encounter": {"reference": "Encounter/e7"}},
        base | {"id": "r2", "status": "active", "code": {"text": "MRI"}, "encounter": {"reference": "Encounter/e7"}},
        {"resourceType": "DeviceRequest", "id": "r3", "status": "draft", "intent": "order", "subject": SUBJECT, "codeCodeableConcept": {"text": "walker"}},
    )
    assert [(o.source, o.status, o.concept.label, o.quantity) for o in record.orders] == [
        ("ServiceRequest/r1", "draft", "HbA1c", 2.0),
        ("DeviceRequest/r3", "draft", "walker", None),
    ]
    assert [s.source for s in record.skipped] == ["ServiceRequest"]


def test_a_device_order_by_reference_is_named_by_the_device(read: Read) -> None:
    """DeviceRequest.codeReference."""
    order = {"resourceType": "DeviceRequest", "id": "r1", "subject": SUBJECT, "codeReference": {"reference": "Device/d1"}}
    assert read(order, {"resourceType": "Device", "id": "d1", "type": {"text": "wheelchair"}, "patient": SUBJECT}).orders[0].concept.label == "wheelchair"


def test_procedures_not_done_are_left_out(read: Read) -> None:
    """R4 status not-done, STU3 notDone."""
    base = {"resourceType": "Procedure", "subject": SUBJECT, "code": {"text": "Colonoscopy"}, "performedDateTime": "2026-03-01"}
    record = read(
        base | {"id": "1", "status": "completed", "bodySite": [{"text": "colon"}]},
        base | {"id": "2", "status": "not-done"},
        base | {"id": "3", "notDone": True},
    )
    assert [(p.source, p.status, p.performed, p.body_sites[0].label) for p in record.procedures] == [
        ("Procedure/1", "completed", datetime(2026, 3, 1, tzinfo=UTC), "colon")
    ]
    assert [s.source for s in record.skipped] == ["Procedure/2", "Procedure/3"]


def test_allergies_devices_and_coverage(read: Read) -> None:
    """Named by code, by reaction, by device name, by payer."""
    record = read(
        {"resourceType": "AllergyIntolerance", "id": "a1", "patient": SUBJECT, "code": {"text": "Penicillin"}, "clinicalStatus": "active"},
        {"resourceType": "AllergyIntolerance", "id": "a2", "patient": SUBJECT, "reaction": [{"substance": {"text": "Latex"}}]},
        {"resourceType": "Device", "id": "d1", "patient": SUBJECT, "deviceName": [{"name": "Pacer 3000", "type": "model-name"}]},
        {"resourceType": "Coverage", "id": "k1", "beneficiary": SUBJECT, "payor": [{"reference": "Organization/o1"}], "type": {"text": "HMO"}},
        {"resourceType": "Organization", "id": "o1", "name": "Sample Health Plan"},
    )
    assert [(a.concept.label, a.clinical_status) for a in record.allergies] == [("Penicillin", "active"), ("Latex", None)]
    assert [d.concept.label for d in record.devices] == ["Pacer 3000"]
    assert [(c.payer, c.type and c.type.label) for c in record.coverages] == [("Sample Health Plan", "HMO")]
    assert record.skipped == ()


def test_unknown_code_systems_are_kept_as_they_are(read: Read) -> None:
    """An unknown system is no error: the text still speaks."""
    found = read(condition(code={"coding": [{"system": "urn:local:problems", "code": "42", "display": "Sugar trouble"}]})).problems[0]
    assert found.concept == Concept((Coding("urn:local:problems", "42", "Sugar trouble"),))


def test_the_patient_is_who_was_asked_for(read: Read, patient: dict[str, Any]) -> None:
    """Birth date, gender, deceased."""
    patient |= {"gender": "Female", "deceasedDateTime": "2026-03-05", "_birthDate": {"extension": [{"url": "http://example.org/time", "valueString": "x"}]}}
    found = read().patient
    assert (found.id, found.birth_date, found.gender, found.deceased) == ("p1", date(1961, 4, 2), "female", True)
