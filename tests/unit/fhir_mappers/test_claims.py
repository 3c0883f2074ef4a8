"""A claim's draft and the answer to a query as R4 resources."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from fhir.resources.R4B.claim import Claim
from fhir.resources.R4B.questionnaireresponse import QuestionnaireResponse

from fhir_mappers import BadResource
from fhir_mappers.claims import Billed, ClaimDiagnosis, ClaimService, claim_draft
from fhir_mappers.systems import CPT, ICD10PCS
from fhir_mappers.writer import entered_in_error, questionnaire_response

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
STAY = Billed(
    [ClaimDiagnosis("I50.33", "Acute on chronic diastolic heart failure", "Y", "2026-04-01"), ClaimDiagnosis("Z79.4", "Insulin", "1")],
    [ClaimService("4A023N7", "Measurement of cardiac sampling", ICD10PCS), ClaimService("93306", "Echocardiography", CPT)],
    NOW,
    NOW,
)


def test_the_draft_of_a_stay_is_a_valid_claim() -> None:
    """FHIR R4 Claim: draft, sequence, principal, indicators of NUBC, ICD-10-PCS as procedures and CPT as items, who pays, which draft it replaces."""
    body = claim_draft(
        STAY,
        patient_id="p1",
        encounter_id="e1",
        identifier="urn:uuid:1",
        created=NOW,
        inpatient=True,
        institutional=True,
        coverages=["Coverage/1", "Coverage/2"],
        enterer="Practitioner/8",
        replaces="Claim/7",
    )
    Claim.model_validate({k: v for k, v in body.items() if k != "meta"})
    assert (body["status"], body["use"], body["type"]["coding"][0]["code"]) == ("draft", "claim", "institutional")
    assert [(d["sequence"], d["diagnosisCodeableConcept"]["coding"][0]["code"], d["onAdmission"]["coding"][0]["code"]) for d in body["diagnosis"]] == [
        (1, "I50.33", "Y"),
        (2, "Z79.4", "1"),
    ]
    assert [d.get("type", [{}])[0].get("coding", [{}])[0].get("code") for d in body["diagnosis"]] == ["principal", None]
    assert body["procedure"][0]["procedureCodeableConcept"]["coding"][0]["code"] == "4A023N7"
    assert body["item"][0]["productOrService"]["coding"][0]["code"] == "93306"
    assert [(i["coverage"]["reference"], i["focal"]) for i in body["insurance"]] == [("Coverage/1", True), ("Coverage/2", False)]
    assert body["related"][0]["claim"] == {"reference": "Claim/7"}
    assert body["meta"]["security"][0]["code"] == "AIAST"
    assert body["supportingInfo"][0]["valueReference"] == {"reference": "Encounter/e1"}


def test_the_draft_of_a_visit_has_no_principal_diagnosis() -> None:
    """Outpatients have a first-listed diagnosis and no indicators (ICD-10-CM guidelines, section IV); what the chart lacks is for billing."""
    body = claim_draft(STAY, patient_id="p1", identifier="urn:uuid:1", created=NOW, inpatient=False, institutional=False, ai_asserted=False)
    Claim.model_validate(body)
    assert not any("type" in d or "onAdmission" in d for d in body["diagnosis"])
    assert body["type"]["coding"][0]["code"] == "professional"
    assert body["insurance"] == [{"sequence": 1, "focal": True, "coverage": {"display": "To be completed by billing"}}]
    assert "meta" not in body


def test_a_claim_needs_a_diagnosis() -> None:
    """Nothing is billed without one."""
    with pytest.raises(BadResource):
        claim_draft(Billed([]), patient_id="p1", identifier="urn:uuid:1", created=NOW, inpatient=False, institutional=False)


def test_a_draft_that_is_taken_back_keeps_its_content() -> None:
    """Entered in error is the status of a Claim, not a verification."""
    assert entered_in_error({"resourceType": "Claim", "id": "1", "status": "draft"}) == {"resourceType": "Claim", "id": "1", "status": "entered-in-error"}


def test_an_answer_is_a_valid_questionnaire_response() -> None:
    """FHIR R4 QuestionnaireResponse: the option as it stood and the person's own words, by the person, without AIAST."""
    body = questionnaire_response(
        patient_id="p1",
        encounter_id="e1",
        identifier="urn:uuid:2",
        question="Which type?",
        answer="Other (please specify)",
        words="Mixed.",
        authored=NOW,
        author="Practitioner/7",
        author_display="Dr. Ada Testing",
    )
    QuestionnaireResponse.model_validate(body)
    assert [(i["linkId"], i["answer"][0]["valueString"]) for i in body["item"]] == [("answer", "Other (please specify)"), ("words", "Mixed.")]
    assert "meta" not in body
