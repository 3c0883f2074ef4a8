"""Decided codes -> a FHIR R4 Claim in draft, for billing to complete.

`use` is "claim": the services have been rendered, and what is drafted is the bill itself, not a question to the payer what it would pay
(predetermination) or may be done (preauthorization). `status` is "draft", so that nothing is adjudicated before billing has looked at it.
Source: FHIR R4, Claim; present on admission by NUBC's indicator, as US claims carry it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_mappers.errors import BadResource
from fhir_mappers.systems import CLAIM_TYPE, DIAGNOSIS_TYPE, ICD10CM, ICD10PCS, INFORMATION_CATEGORY, PRESENT_ON_ADMISSION, PRIORITY, RELATED_CLAIM
from fhir_mappers.writer import AI_ASSERTED, URN

_TO_COMPLETE = {"display": "To be completed by billing"}


@dataclass(frozen=True, slots=True)
class ClaimDiagnosis:
    """One diagnosis in its sequence; `poa` is Y, N, U, W, 1 or "" where it doesn't apply."""

    code: str
    display: str
    poa: str = ""
    version: str | None = None  # of the code system
    system: str = ICD10CM


@dataclass(frozen=True, slots=True)
class ClaimService:
    """One procedure, or a service or supply that is billed by its code (CPT, HCPCS)."""

    code: str
    display: str
    system: str


@dataclass(frozen=True, slots=True)
class Billed:
    """What is billed: diagnoses in sequence, the principal or first-listed first, and what was done."""

    diagnoses: Sequence[ClaimDiagnosis]
    services: Sequence[ClaimService] = ()
    begins: datetime | None = None
    ends: datetime | None = None


def claim_draft(
    billed: Billed,
    *,
    patient_id: str,
    identifier: str,
    created: datetime,
    inpatient: bool,
    institutional: bool,
    encounter_id: str | None = None,
    coverages: Sequence[str] = (),
    enterer: str | None = None,
    enterer_display: str | None = None,
    replaces: str | None = None,
    ai_asserted: bool = True,
) -> dict[str, Any]:
    """Return the draft of a claim.

    `coverages` are references of who pays, the first of them first; `enterer` is who put it together, `replaces` the draft before it
    (references). Provider, and coverage where the chart has none, are for billing to fill in. Procedures in ICD-10-PCS stand under
    `procedure`, other services as items; the codes behind an item are for billing to link. Raises BadResource without a diagnosis.
    """
    if not billed.diagnoses:
        raise BadResource("A claim needs a diagnosis.", "Decide on a diagnosis first.")
    resource: dict[str, Any] = {
        "resourceType": "Claim",
        "identifier": [{"system": URN, "value": identifier}],
        "status": "draft",
        "type": _one(CLAIM_TYPE, "institutional" if institutional else "professional"),
        "use": "claim",
        "patient": {"reference": f"Patient/{patient_id}" if "/" not in patient_id else patient_id},
        "created": created.isoformat(timespec="seconds"),
        "provider": dict(_TO_COMPLETE),
        "priority": _one(PRIORITY, "normal"),
        "insurance": [
            {"sequence": at, "focal": at == 1, "coverage": {"reference": reference} if reference else dict(_TO_COMPLETE)}
            for at, reference in enumerate(coverages or [""], 1)
        ],
        "diagnosis": [_diagnosis(at, diagnosis, inpatient) for at, diagnosis in enumerate(billed.diagnoses, 1)],
    }
    if ai_asserted:
        resource["meta"] = {"security": [dict(AI_ASSERTED)]}
    if period := {name: at.isoformat(timespec="seconds") for name, at in (("start", billed.begins), ("end", billed.ends)) if at and at.tzinfo}:
        resource["billablePeriod"] = period
    if enterer:
        resource["enterer"] = {"reference": enterer} | ({"display": enterer_display} if enterer_display else {})
    if replaces:
        resource["related"] = [{"claim": {"reference": replaces}, "relationship": _one(RELATED_CLAIM, "prior")}]
    if encounter_id:
        encounter = {"reference": encounter_id if "/" in encounter_id else f"Encounter/{encounter_id}"}
        resource["supportingInfo"] = [{"sequence": 1, "category": _one(INFORMATION_CATEGORY, "info"), "valueReference": encounter}]
    if procedures := [s for s in billed.services if s.system == ICD10PCS]:
        resource["procedure"] = [{"sequence": at, "procedureCodeableConcept": _coded(s)} for at, s in enumerate(procedures, 1)]
    if items := [s for s in billed.services if s.system != ICD10PCS]:
        resource["item"] = [{"sequence": at, "productOrService": _coded(s)} for at, s in enumerate(items, 1)]
    return resource


def _diagnosis(at: int, diagnosis: ClaimDiagnosis, inpatient: bool) -> dict[str, Any]:
    coding = {"system": diagnosis.system, "code": diagnosis.code, "display": diagnosis.display} | ({"version": diagnosis.version} if diagnosis.version else {})
    told: dict[str, Any] = {"sequence": at, "diagnosisCodeableConcept": {"coding": [coding]}}
    if inpatient and at == 1:
        told["type"] = [_one(DIAGNOSIS_TYPE, "principal")]  # outpatients have a first-listed diagnosis, no principal one (guidelines, section IV)
    if inpatient and diagnosis.poa:
        told["onAdmission"] = _one(PRESENT_ON_ADMISSION, diagnosis.poa)
    return told


def _coded(service: ClaimService) -> dict[str, Any]:
    return {"coding": [{"system": service.system, "code": service.code, "display": service.display}]}


def _one(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}
