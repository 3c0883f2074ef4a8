"""FHIR resources become one encounter record: whose they are, what is skipped, and what ends the reading."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from fhir_mappers import BadResource, EncounterRecord, Skipped, WrongPatient, read_bundle, read_resources, warm_up
from fhir_mappers.record import Setting

Read = Callable[..., EncounterRecord]
Said = Callable[..., list[tuple[str, str]]]
Document = Callable[..., dict[str, Any]]
TODAY = date(2026, 3, 10)


def bundle(*resources: Any, **changes: Any) -> dict[str, Any]:
    """Return a collection Bundle."""
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]} | changes


def test_a_bundle_is_read_like_its_resources(patient: dict[str, Any], encounter: dict[str, Any], document: Document) -> None:
    """One patient and one encounter in a Bundle need not be named."""
    found = read_bundle(bundle(patient, encounter, document()), today=TODAY)
    assert (found.patient.id, found.encounter_id, found.setting, len(found.notes)) == ("p1", "e1", Setting.OUTPATIENT, 1)


def test_a_bundle_of_new_resources_refers_by_full_url(patient: dict[str, Any], encounter: dict[str, Any], document: Document) -> None:
    """Transaction Bundles: urn:uuid references, no ids."""
    patient_url, encounter_url = "urn:uuid:8d8ac1b1-1f0d-4e6c-8c8f-0d8a3e9c0b11", "urn:uuid:8d8ac1b1-1f0d-4e6c-8c8f-0d8a3e9c0b12"
    note = document(subject={"reference": patient_url}, context={"encounter": [{"reference": encounter_url}]})
    entries = [(patient_url, patient), (encounter_url, encounter | {"subject": {"reference": patient_url}}), ("urn:uuid:n", note)]
    for _, resource in entries:
        del resource["id"]
    record = read_bundle({"resourceType": "Bundle", "type": "transaction", "entry": [{"fullUrl": u, "resource": r} for u, r in entries]}, today=TODAY)
    assert (record.patient.id, record.encounter_id, record.skipped) == (patient_url, encounter_url, ())
    assert [n.source for n in record.notes] == ["Bundle.entry[2]"]


def test_prefetched_bundles_and_draft_orders_are_opened(read: Read, document: Document) -> None:
    """Prefetch values are searchsets, draftOrders a collection."""
    drafts = bundle({"resourceType": "ServiceRequest", "status": "draft", "subject": {"reference": "Patient/p1"}, "code": {"text": "MRI"}})
    record = read(bundle(document(), type="searchset"), drafts)
    assert [n.source for n in record.notes] == ["DocumentReference/n1"]
    assert [(o.source, o.status) for o in record.orders] == [("resources[3].entry[0]", "draft")]


def test_a_resource_given_twice_counts_once(read: Read, document: Document) -> None:
    """Searches overlap."""
    assert len(read(document(), document()).notes) == 1


@pytest.mark.parametrize("subject", ["Patient/p2", "https://ehr.example.org/fhir/Patient/p2", "Patient/p2/_history/3"])
def test_a_resource_of_another_patient_is_refused(read: Read, document: Document, subject: str) -> None:
    """Nothing of the input is used."""
    with pytest.raises(WrongPatient, match="DocumentReference/n1 is about another patient"):
        read(document(subject={"reference": subject}))


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Patient", "id": "p2"},
        {"resourceType": "AllergyIntolerance", "id": "a", "patient": {"reference": "Patient/p2"}},
        {"resourceType": "Coverage", "id": "c", "beneficiary": {"reference": "Patient/p2"}},
        {"resourceType": "Observation", "id": "o", "status": "entered-in-error", "subject": {"reference": "Patient/p2"}},
        {"resourceType": "Flag", "id": "f", "subject": {"reference": "Patient/p2"}},
    ],
)
def test_every_kind_of_resource_is_checked(read: Read, resource: dict[str, Any]) -> None:
    """Patient, patient, beneficiary, subject; also of resources that are not read."""
    with pytest.raises(WrongPatient):
        read(resource)


def test_other_people_of_a_coverage_are_no_patients(read: Read) -> None:
    """A child's subscriber is a parent; an identifier alone can't be checked."""
    coverage = {"resourceType": "Coverage", "id": "c", "beneficiary": {"reference": "Patient/p1"}, "subscriber": {"reference": "Patient/p2"}}
    condition = {"resourceType": "Condition", "id": "d", "subject": {"identifier": {"value": "MRN-1"}}, "code": {"text": "Asthma"}}
    record = read(coverage, condition)
    assert (len(record.coverages), len(record.problems)) == (1, 1)


def test_what_is_about_a_group_is_left_out(said: Said) -> None:
    """R4 lets some resources have a Group, a Location or a Device as subject."""
    order = {"resourceType": "ServiceRequest", "id": "r", "subject": {"reference": "Group/g"}, "code": {"text": "x"}}
    assert said(order) == [("ServiceRequest/r", "Its subject is not a patient (Group). Nothing to do: it is left out.")]


def test_a_bundle_of_two_patients_is_refused(patient: dict[str, Any]) -> None:
    """The caller must say which."""
    with pytest.raises(WrongPatient, match="about 2 patients"):
        read_bundle(bundle(patient, patient | {"id": "p2"}))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"resourceType": "Bundle", "type": "collection"}, "has no resources. Send at least a Patient and a note."),
        ({"resourceType": "Bundle", "entry": []}, "has no resources"),
        ({"resourceType": "Bundle", "entry": "x"}, "has no resources"),
        ({"resourceType": "Patient"}, "not a FHIR Bundle"),
        ([], "not a FHIR Bundle"),
        (None, "not a FHIR Bundle"),
        (bundle({"resourceType": "Organization", "id": "o"}), "names no patient. Add the Patient resource."),
    ],
)
def test_input_that_is_unusable_as_a_whole_says_what_to_send(given: Any, words: str) -> None:
    """Empty Bundle, no Bundle, no patient."""
    with pytest.raises(BadResource, match=words):
        read_bundle(given)


def test_the_patient_is_known_from_references_alone(document: Document) -> None:
    """A Bundle of notes without the Patient resource."""
    record = read_bundle(bundle(document()), today=TODAY)
    assert (record.patient.id, record.patient.birth_date, len(record.notes)) == ("p1", None, 1)


def test_entries_that_are_no_resources_are_said_and_cost_nothing_else(patient: dict[str, Any], encounter: dict[str, Any], document: Document) -> None:
    """null entries, resources without a type, OperationOutcome in the place of a resource, a Bundle in a Bundle in a Bundle."""
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "forbidden", "diagnostics": "Jane Roe is restricted"}]}
    given = bundle(patient, None, {"id": "x"}, 5, outcome, bundle(bundle()), encounter, document())
    record = read_bundle(given, today=TODAY)
    assert len(record.notes) == 1
    assert [(s.source, s.reason.split(".")[0]) for s in record.skipped] == [
        ("Bundle.entry[1]", "It holds no resource with a resourceType"),
        ("Bundle.entry[2]", "It holds no resource with a resourceType"),
        ("Bundle.entry[3]", "It holds no resource with a resourceType"),
        ("Bundle.entry[4]", "The server sent an OperationOutcome (forbidden) in its place"),
        ("Bundle.entry[5].entry[0]", "A Bundle within a Bundle within the input is not opened"),
    ]


def test_what_the_caller_left_out_stays_said(patient: dict[str, Any]) -> None:
    """`skipped` of the fetch goes into the record."""
    before = Skipped("Coverage", "The access token doesn't allow this read (403).")
    assert read_resources([patient], patient_id="p1", skipped=[before]).skipped == (before,)


def test_elements_of_the_wrong_type_are_named_and_the_rest_is_read(read: Read) -> None:
    """The R4B model names what can't be read: one bad element doesn't lose the resource."""
    bad = {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "code": {"text": 7, "coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "valueQuantity": {"value": 9.1, "unit": "g/dL"},
        "component": [{"code": {"text": "x"}, "valueQuantity": {"value": "lots"}}],
    }
    record = read(bad)
    assert [(o.value, o.canonical_unit) for o in record.observations] == [(9.1, "g/dL")]
    assert [(s.source, s.reason) for s in record.skipped] == [
        ("Observation/o", "Not in the form of R4, and so not read: code.text, component[0].valueQuantity.value. Correct it at its source.")
    ]


def test_unknown_elements_extensions_and_loose_ids_are_no_matter(read: Read) -> None:
    """Vendor elements, extensions on primitives, ids with underscores, empty lists: read without a word."""
    given = {
        "resourceType": "Condition",
        "id": "Epic_id-with_underscores",
        "subject": {"reference": "Patient/p1"},
        "code": {"text": "Asthma"},
        "_recordedDate": {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]},
        "extension": [{"url": "http://vendor.example.org", "valueUnheardOf": 1}],
        "vendorField": {"a": [1, 2]},
        "bodySite": [],
        "recordedDate": None,
    }
    record = read(given)
    assert ([p.concept.label for p in record.problems], record.skipped) == (["Asthma"], ())


def test_a_modifier_extension_leaves_the_resource_out(read: Read) -> None:
    """FHIR R4 2.4.1.3: an element whose modifierExtension isn't understood must not be used."""
    given = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p1"}, "code": {"text": "Asthma"}}
    record = read(given | {"modifierExtension": [{"url": "http://example.org/negated", "valueBoolean": True}]})
    assert record.problems == ()
    assert "modifierExtension" in record.skipped[0].reason


def test_deep_nesting_does_no_harm(read: Read) -> None:
    """A resource nested a thousand levels deep."""
    deep: dict[str, Any] = {}
    for _ in range(900):
        deep = {"extension": [deep]}
    given = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p1"}, "code": {"text": "Asthma", "extension": [deep]}}
    assert [p.concept.label for p in read(given).problems] == ["Asthma"]


def test_three_hundred_resources_take_little_time(patient: dict[str, Any]) -> None:
    """Validation by the models stays within a hook's half second: about 50 ms of work for 300 resources. Guards against growth, with room for any machine."""
    warm_up()
    result = {
        "resourceType": "Observation",
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]},
        "valueQuantity": {"value": 5.5, "unit": "mmol/L", "code": "mmol/L"},
        "referenceRange": [{"low": {"value": 4}, "high": {"value": 6}}],
    }
    resources = [patient, *({**result, "id": f"o{i}"} for i in range(300))]
    started = time.process_time()
    record = read_resources(resources, patient_id="p1", today=TODAY)
    assert time.process_time() - started < 3
    assert {o.canonical_value for o in record.observations} == {99.0858}


def test_five_hundred_notes_are_read_whole(read: Read, document: Document) -> None:
    """500 notes."""
    record = read(*(document(f"Note number {i} says something of its own.\n" * 20, id=f"n{i}") for i in range(500)))
    assert (len(record.notes), record.skipped) == (500, ())


def test_the_input_is_never_changed(read: Read, document: Document) -> None:
    """Callers keep their resources."""
    given = document()
    before = json.dumps(given)
    read(given)
    assert json.dumps(given) == before
