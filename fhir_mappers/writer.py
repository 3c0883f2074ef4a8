"""Decisions -> FHIR R4 resources, as plain JSON objects that are valid against the R4B models.

Every resource that a model had a part in carries the security label AIAST (artificial intelligence asserted; HL7 v3-ObservationValue),
so that any reader of the chart can tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

URN = "urn:ietf:rfc:3986"  # the system of an identifier that is a URN itself
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
    identifier: str | None = None,
) -> dict[str, Any]:
    """Return a Condition for a diagnosis.

    `verification` is "provisional" as long as it is a suggestion and "confirmed" once a person accepted it; `evidence` and `recorder`
    are references ("DocumentReference/1", "Practitioner/2"); `version` is the release of the code system; `identifier` is a URN by which
    the server can tell that it has the resource already. Raises BadResource for a status or category that R4 doesn't have.
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
    if identifier:
        resource["identifier"] = [_urn(identifier)]
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


def entered_in_error(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Condition or a Claim, as the server gave it, taken back; a Condition then has no clinical status (invariant con-5)."""
    if resource.get("resourceType") != "Condition":
        return dict(resource) | {"status": "entered-in-error"}
    status = _coded(CONDITION_VERIFICATION, "entered-in-error", _VERIFICATIONS, "verificationStatus")
    return {name: value for name, value in resource.items() if name != "clinicalStatus"} | {"verificationStatus": status}


def provenance(
    *,
    targets: Sequence[str],
    recorded: datetime,
    author: str,
    model_name: str | None,
    model_version: str = "",
    author_display: str | None = None,
    organization: str | None = None,
    sources: Sequence[str] = (),
    activity: str = "CREATE",
) -> dict[str, Any]:
    """Return the Provenance of resources that a person wrote, on the suggestion of the model unless `model_name` is None.

    The person is the author, the model (a contained Device) the assembler; `targets`, `sources`, `author` and `organization` are
    references (an author without one is named by an identifier), `activity` a code of v3-DataOperation (CREATE, UPDATE, DELETE).
    Raises BadResource where there is no target, or `recorded` has no time zone.
    """
    if not targets:
        raise BadResource("A Provenance needs a target.", "Name the resources that were written.")
    if recorded.tzinfo is None:
        raise BadResource("Provenance.recorded needs a time zone.", "Give an aware datetime.")
    agents: list[dict[str, Any]] = [
        {"type": _participant("author", "Author"), "who": _who(author, author_display)}
        | ({"onBehalfOf": {"reference": organization}} if organization else {}),
    ]
    resource: dict[str, Any] = {"resourceType": "Provenance"}
    if model_name:
        agents.append({"type": _participant("assembler", "Assembler"), "who": {"reference": "#model", "display": f"{model_name} {model_version}"}})
        resource["meta"] = {"security": [dict(AI_ASSERTED)]}
        resource["contained"] = [
            {
                "resourceType": "Device",
                "id": "model",
                "deviceName": [{"name": model_name, "type": "model-name"}],
                "version": [{"value": model_version}],
                "type": {"text": "Coding assistant (software)"},
            }
        ]
    resource |= {
        "target": [{"reference": target} for target in targets],
        # Exact where the moment is: two statements about one resource in the same second are two.
        "recorded": recorded.isoformat(timespec="milliseconds" if recorded.microsecond else "seconds"),
        "activity": {"coding": [{"system": DATA_OPERATION, "code": activity}]},
        "agent": agents,
    }
    if sources:
        resource["entity"] = [{"role": "source", "what": {"reference": source}} for source in dict.fromkeys(sources)]
    return resource


def communication(
    *,
    patient_id: str,
    identifier: str,
    title: str,
    text: str,
    sent: datetime,
    sender: str,
    sender_display: str | None = None,
    encounter_id: str | None = None,
    recipient: str | None = None,
    about: Sequence[str] = (),
    in_response_to: str | None = None,
) -> dict[str, Any]:
    """Return a Communication that carries a documentation query, or with `in_response_to` (a reference) the answer to one.

    `text` is the whole message in plain words; `about` are references of the documents it rests on; a sender or recipient that is no
    reference is named by display. The message carries AIAST unless it is an answer: a person's own words.
    """
    resource: dict[str, Any] = {
        "resourceType": "Communication",
        "identifier": [_urn(identifier)],
        "status": "completed",
        "category": [{"text": "Answer to a documentation query" if in_response_to else "Clinical documentation query"}],
        "subject": {"reference": _reference("Patient", patient_id)},
        "topic": {"text": title},
        "sent": _written(sent),
        "sender": _who(sender, sender_display),
        "payload": [{"contentString": text}],
    }
    if in_response_to:
        resource["inResponseTo"] = [{"reference": in_response_to}]
    else:
        resource["meta"] = {"security": [dict(AI_ASSERTED)]}
    if encounter_id:
        resource["encounter"] = {"reference": _reference("Encounter", encounter_id)}
    if recipient:
        resource["recipient"] = [_who(recipient, None)]
    if about:
        resource["about"] = [{"reference": source} for source in dict.fromkeys(about)]
    return resource


def task(
    *,
    patient_id: str,
    identifier: str,
    title: str,
    text: str,
    authored: datetime,
    requester: str,
    requester_display: str | None = None,
    encounter_id: str | None = None,
    owner: str | None = None,
    focus: str | None = None,
) -> dict[str, Any]:
    """Return a Task that asks for the answer to a documentation query, for servers that take no Communication. See `communication`."""
    resource: dict[str, Any] = {
        "resourceType": "Task",
        "meta": {"security": [dict(AI_ASSERTED)]},
        "identifier": [_urn(identifier)],
        "status": "requested",
        "intent": "proposal",
        "code": {"text": f"Documentation query: {title}"},
        "description": text,
        "for": {"reference": _reference("Patient", patient_id)},
        "authoredOn": _written(authored),
        "requester": _who(requester, requester_display),
    }
    if encounter_id:
        resource["encounter"] = {"reference": _reference("Encounter", encounter_id)}
    if owner:
        resource["owner"] = _who(owner, None)
    if focus:
        resource["focus"] = {"reference": focus}
    return resource


def questionnaire_response(
    *,
    patient_id: str,
    identifier: str,
    question: str,
    answer: str,
    authored: datetime,
    author: str,
    author_display: str | None = None,
    words: str | None = None,
    encounter_id: str | None = None,
) -> dict[str, Any]:
    """Return a QuestionnaireResponse that carries the answer to a documentation query: the option chosen as it stood, and the person's own words.

    It carries no AIAST: what was asked may be the model's idea, what is said here is the person's.
    """
    items: list[dict[str, Any]] = [{"linkId": "answer", "text": question, "answer": [{"valueString": answer}]}]
    if words:
        items.append({"linkId": "words", "text": "In the clinician's own words", "answer": [{"valueString": words}]})
    resource: dict[str, Any] = {
        "resourceType": "QuestionnaireResponse",
        "identifier": _urn(identifier),
        "status": "completed",
        "subject": {"reference": _reference("Patient", patient_id)},
        "authored": _written(authored),
        "author": _who(author, author_display),
        "item": items,
    }
    if encounter_id:
        resource["encounter"] = {"reference": _reference("Encounter", encounter_id)}
    return resource


def _who(person: str, display: str | None) -> dict[str, Any]:
    """Return a Reference to a person: by reference, where it is one, else by name or by identifier."""
    if "/" in person:
        return {"reference": person} | ({"display": display} if display else {})
    return {"display": display or person} | ({"identifier": {"value": person}} if display else {})


def _urn(identifier: str) -> dict[str, str]:
    return {"system": URN, "value": identifier}


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
