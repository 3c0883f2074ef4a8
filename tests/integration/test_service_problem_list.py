"""The service for problems being added, and calls without an encounter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

Call = Callable[..., dict[str, Any]]
NOTE = "Assessment and Plan:\n1. COPD with acute exacerbation, start prednisone.\n2. Essential hypertension, at goal on lisinopril.\n"
SNOMED = {"system": "http://snomed.info/sct", "code": "13645005", "display": "Chronic obstructive lung disease"}


def adding(*codings: dict[str, str], text: str | None = None) -> dict[str, Any]:
    """Return the context of a problem being added."""
    concept = {"coding": list(codings)} | ({"text": text} if text else {})
    condition = {"resourceType": "Condition", "id": "new", "subject": {"reference": "Patient/1"}, "code": concept}
    return {"conditions": {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": condition}]}}


@pytest.mark.parametrize(
    "concept",
    [
        adding({"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "J44.9"}),
        adding({"system": "urn:oid:2.16.840.1.113883.6.90", "code": "J44.9"}),
        adding(SNOMED, text="Chronic obstructive pulmonary disease"),
        adding(SNOMED | {"display": "Chronic obstructive pulmonary disease"}),
    ],
    ids=["icd-10-cm", "oid", "text", "display"],
)
def test_more_specific_problem(client: FlaskClient, hook_call: Call, note: Call, concept: dict[str, Any]) -> None:
    """A vague problem is being added, in whichever code system, and the notes say more: the sharper one is offered as a problem."""
    notes = {"notes": {"resourceType": "Bundle", "entry": [{"resource": note(NOTE)}]}}
    answer = client.post("/cds-services/problem-specificity", json=hook_call("problem-list-item-create", context=concept, prefetch=notes))
    card = answer.json["cards"][0]
    assert card["source"]["topic"]["code"] == "problemspecificity"
    (suggestion,) = card["suggestions"]
    resource = suggestion["actions"][0]["resource"]
    assert resource["code"]["coding"][0]["code"] == "J44.1"
    assert resource["category"][0]["coding"][0]["code"] == "problem-list-item"
    assert "encounter" not in resource


def test_a_combination_of_another_category_is_more_specific(client: FlaskClient, hook_call: Call, note: Call) -> None:
    """I.C.9.a: hypertension is being added, and the notes document heart failure beside it: the combination is offered."""
    notes = {"notes": {"resourceType": "Bundle", "entry": [{"resource": note("Assessment: HTN with CHF, furosemide increased.\n")}]}}
    concept = adding({"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I10"})
    answer = client.post("/cds-services/problem-specificity", json=hook_call("problem-list-item-create", context=concept, prefetch=notes))
    offered = [a["resource"]["code"]["coding"][0]["code"] for c in answer.json["cards"] for s in c.get("suggestions", []) for a in s["actions"]]
    assert offered == ["I11.0"]


@pytest.mark.parametrize(
    "concept",
    [
        adding({"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "J44.1"}),
        adding({"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "M54.50"}),
        adding({"system": "urn:x:local", "code": "1"}),
        adding(text="qwertz"),
        adding(),
    ],
    ids=["specific already", "of another kind", "unknown system", "no words that mean anything", "nothing"],
)
def test_nothing_more_specific(client: FlaskClient, hook_call: Call, note: Call, concept: dict[str, Any]) -> None:
    """No suggestion where the notes don't say more of the same condition."""
    notes = {"notes": {"resourceType": "Bundle", "entry": [{"resource": note(NOTE)}]}}
    answer = client.post("/cds-services/problem-specificity", json=hook_call("problem-list-item-create", context=concept, prefetch=notes))
    assert answer.status_code == 200
    assert not any("suggestions" in c for c in answer.json["cards"])


def test_patient_view_without_an_encounter(client: FlaskClient, hook_call: Call) -> None:
    """Where the call names no encounter, suggestions are problems: a visit's diagnosis needs a visit."""
    call = hook_call()
    del call["context"]["encounterId"]
    card = client.post("/cds-services/coding-review", json=call).json["cards"][0]
    assert card["summary"].endswith("not on the problem list") or "not on the problem list:" in card["summary"]
    resource = card["suggestions"][0]["actions"][0]["resource"]
    assert resource["category"][0]["coding"][0]["code"] == "problem-list-item"
    assert "encounter" not in resource


def test_prefetch_keys_of_the_ehr(client: FlaskClient, hook_call: Call, note: Call) -> None:
    """A key that the EHR's own configuration adds is read as well."""
    call = hook_call(prefetch={"notes": None, "visitNotes": {"resourceType": "Bundle", "entry": [{"resource": note()}]}})
    labels = [s["label"] for c in client.post("/cds-services/coding-review", json=call).json["cards"] for s in c.get("suggestions", [])]
    assert any(label.startswith("J44.9") for label in labels)
