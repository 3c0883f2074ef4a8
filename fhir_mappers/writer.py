"""Decisions -> FHIR R4 resources, as plain JSON objects that are valid against the R4B models.

Every resource that a model had a part in carries the security label AIAST (artificial intelligence asserted; HL7 v3-ObservationValue),
so that any reader of the chart can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from fhir_mappers.errors import BadResource
from fhir_mappers.systems import (
    CONDITION_CATEGORY,
    CONDITION_CLINICAL,
    CONDITION_VERIFICATION,
    DATA_OPERATION,
    ICD10CM,
    OBSERVATION_VALUE,
    PROVENANCE_PARTICIPANT,
)

AI_ASSERTED = {"system": OBSERVATION_VALUE, "code": "AIAST", "display": "Artificial Intelligence asserted"}
_CATEGORIES = {"encounter-diagnosis": "Encounter Diagnosis", "problem-list-item": "Problem List Item"}
_VERIFICATIONS = {
    "unconfirmed": "Unconfirmed",
    "provisional": "Provisional",
    "differential": "Differential",
    "confirmed": "Confirmed",
    "refuted": "Refuted",
    "entered-in-error": "Entered in Error",
}
_CLINICAL = {"active": "Active", "recurrence": "Recurrence", "relapse": "Relapse", "inactive": "Inactive", "remission": "Remission", "resolved": "Resolved"}


def condition(
    *,
    patient_id: str,
    code: str,
    display: str,
    encounter_id: str | None = None,
    category: str = "encounter-diagnosis",
    verification: str = "provisional",
    clinical: str = "active",
    system: str = ICD10CM,
    version: str | None = None,
    recorded: date | datetime | None = None,
    recorder: str | None = None,
    evidence: Sequence[str] = (),
    note: str | None = None,
    condition_id: str | None = None,
    ai_asserted: bool = True,
) -> dict[str, Any]:
    """Return a Condition for a diagnosis.

    `verification` is "provisional" as long as it is a suggestion and "confirmed" once a person accepted it; `evidence` and `recorder`
    are references ("DocumentReference/1", "Practitioner/2"); `version` is the release of the code system. Raises BadResource for a
    status or category that R4 doesn't have.
    """
    resource: dict[str, Any] = {
        "resourceType": "Condition",
        "clinicalStatus": _coded(CONDITION_CLINICAL, clinical, _CLINICAL, "clinicalStatus"),
        "verificationStatus": _coded(CONDITION_VERIFICATION, verification, _VERIFICATIONS, "verificationStatus"),
        "category": [_coded(CONDITION_CATEGORY, category, _CATEGORIES, "category")],
        "code": {"coding": [{"system": system, "code": code, "display": display} | ({"version": version} if version else {})], "text": display},
        "subject": {"reference": _reference("Patient", patient_id)},
    }
    if verification == "entered-in-error":
        del resource["clinicalStatus"]  # invariant con-5
    if condition_id:
        resource["id"] = condition_id
    if ai_asserted:
        resource["meta"] = {"security": [dict(AI_ASSERTED)]}
    if encounter_id:
        resource["encounter"] = {"reference": _reference("Encounter", encounter_id)}
    if recorded:
        resource["recordedDate"] = _written(recorded)
    if recorder:
        resource["recorder"] = {"reference": recorder}
    if evidence:
        resource["evidence"] = [{"detail": [{"reference": source} for source in dict.fromkeys(evidence)]}]
    if note:
        resource["note"] = [{"text": note}]
    return resource


def provenance(
    *,
    targets: Sequence[str],
    recorded: datetime,
    author: str,
    model_name: str,
    model_version: str,
    author_display: str | None = None,
    organization: str | None = None,
    sources: Sequence[str] = (),
    activity: str = "CREATE",
) -> dict[str, Any]:
    """Return the Provenance of resources that a person wrote on the suggestion of the model.

    The person is the author, the model (a contained Device) the assembler; `targets`, `sources`, `author` and `organization` are
    references, `activity` a code of v3-DataOperation (CREATE, UPDATE, DELETE). Raises BadResource where there is no target, or
    `recorded` has no time zone.
    """
    if not targets:
        raise BadResource("A Provenance needs a target.", "Name the resources that were written.")
    if recorded.tzinfo is None:
        raise BadResource("Provenance.recorded needs a time zone.", "Give an aware datetime.")
    person: dict[str, Any] = {"reference": author} | ({"display": author_display} if author_display else {})
    agents: list[dict[str, Any]] = [
        {"type": _participant("author", "Author"), "who": person} | ({"onBehalfOf": {"reference": organization}} if organization else {}),
        {"type": _participant("assembler", "Assembler"), "who": {"reference": "#model", "display": f"{model_name} {model_version}"}},
    ]
    resource: dict[str, Any] = {
        "resourceType": "Provenance",
        "meta": {"security": [dict(AI_ASSERTED)]},
        "contained": [
            {
                "resourceType": "Device",
                "id": "model",
                "deviceName": [{"name": model_name, "type": "model-name"}],
                "version": [{"value": model_version}],
                "type": {"text": "Coding assistant (software)"},
            }
        ],
        "target": [{"reference": target} for target in targets],
        "recorded": _written(recorded),
        "activity": {"coding": [{"system": DATA_OPERATION, "code": activity}]},
        "agent": agents,
    }
    if sources:
        resource["entity"] = [{"role": "source", "what": {"reference": source}} for source in dict.fromkeys(sources)]
    return resource


def _coded(system: str, code: str, known: dict[str, str], element: str) -> dict[str, Any]:
    if code not in known:
        raise BadResource(f"{code[:40]!r} is no {element} of R4.", f"Use one of: {', '.join(known)}.")
    return {"coding": [{"system": system, "code": code, "display": known[code]}]}


def _participant(code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": PROVENANCE_PARTICIPANT, "code": code, "display": display}]}


def _reference(resource_type: str, id_: str) -> str:
    """Return the reference of an id; a reference stays as it is."""
    return id_ if "/" in id_ or ":" in id_ else f"{resource_type}/{id_}"


def _written(moment: date | datetime) -> str:
    """Return a FHIR date or dateTime; a time without a zone is written as its day, since R4 demands a zone with every time."""
    if isinstance(moment, datetime):
        return moment.isoformat(timespec="seconds") if moment.tzinfo else moment.date().isoformat()
    return moment.isoformat()
