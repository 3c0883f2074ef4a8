"""Events as FHIR R4 AuditEvent, in the profiles of IHE's Basic Audit Log Patterns (BALP) where one fits.

BALP 1.1: https://profiles.ihe.net/ITI/BALP. What is about no patient and no REST interaction (start, configuration,
backup) carries DICOM's event types (PS3.15 A.5) and claims no profile.
"""

from __future__ import annotations

import json
from typing import Any

from cds_service.audit.chain import Link
from cds_service.audit.event import Kind

_BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_CHAIN = "urn:marginalia:audit-chain"  # our own extension: number and hash in the chain
_SOURCE, _DESTINATION = ("110153", "Source Role ID"), ("110152", "Destination Role ID")
# kind -> (BALP pattern, FHIR interaction, action, role of the client, role of the server)
_REST = {
    Kind.ANSWER: ("Create", "create", "C", _SOURCE, _DESTINATION),
    Kind.READ: ("Read", "read", "R", _DESTINATION, _SOURCE),
    Kind.DECISION: ("Create", "create", "C", _SOURCE, _DESTINATION),
    Kind.QUERY: ("Create", "create", "C", _SOURCE, _DESTINATION),
    Kind.CHANGE: ("Create", "create", "C", _SOURCE, _DESTINATION),
    Kind.WRITE: ("Create", "create", "C", _SOURCE, _DESTINATION),
    Kind.ERASE: ("Delete", "delete", "D", _SOURCE, _DESTINATION),
}
# kind -> (event, its name, kind of event, its name, action)
_OPERATION = {
    Kind.OPEN: ("110114", "User Authentication", "110122", "Login", "E"),
    Kind.CLOSE: ("110114", "User Authentication", "110123", "Logout", "E"),
    Kind.REFUSAL: ("110113", "Security Alert", "110132", "Use of Restricted Function", "E"),
    Kind.CONFIGURATION: ("110113", "Security Alert", "110131", "Software Configuration", "U"),
    Kind.STOP: ("110100", "Application Activity", "110121", "Application Stop", "E"),
    Kind.RETENTION: ("110100", "Application Activity", "", "", "D"),
    Kind.BACKUP: ("110106", "Export", "", "", "R"),
    Kind.RESTORE: ("110107", "Import", "", "", "C"),
}


def to_audit_event(link: Link, *, site: str) -> dict[str, Any]:
    """Return an event as an AuditEvent. `site` names the service that observed it, such as its public URL."""
    told = link.event
    kind = Kind(told["kind"])
    resource: dict[str, Any] = {"resourceType": "AuditEvent", "id": told["id"], "meta": {"tag": [{"system": "urn:marginalia:audit-kind", "code": kind.value}]}}
    if kind in _REST:
        pattern, interaction, action, client, server = _REST[kind]
        resource["meta"]["profile"] = [f"{_BALP}{'Patient' if told.get('patient') else ''}{pattern}"]
        resource["type"] = {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest", "display": "Restful Operation"}
        resource["subtype"] = [{"system": "http://hl7.org/fhir/restful-interaction", "code": interaction, "display": interaction}]
    else:
        code, display, sub, sub_display, action = _OPERATION[kind]
        client, server = _SOURCE, _DESTINATION
        resource["type"] = {"system": _DCM, "code": code, "display": display}
        if sub:
            resource["subtype"] = [{"system": _DCM, "code": sub, "display": sub_display}]
    resource["extension"] = [
        {
            "url": _CHAIN,
            "extension": [{"url": "number", "valueInteger": link.seq}, {"url": "sha256", "valueString": link.hash}],
        }
    ]
    resource |= {"action": action, "recorded": told["at"], "outcome": told["outcome"]}
    resource["agent"] = _agents(told, client, server, site)
    resource["source"] = {
        "site": site,
        "observer": {"display": "Marginalia"},
        "type": [{"system": "http://terminology.hl7.org/CodeSystem/security-source-type", "code": "4", "display": "Application Server"}],
    }
    resource["entity"] = _entities(told)
    return resource


def _agents(told: dict[str, Any], client: tuple[str, str], server: tuple[str, str], site: str) -> list[dict[str, Any]]:
    def role(pair: tuple[str, str]) -> dict[str, Any]:
        return {"coding": [{"system": _DCM, "code": pair[0], "display": pair[1]}]}

    user = told.get("user")
    agents: list[dict[str, Any]] = [
        {"type": role(client), "who": {"display": told.get("client") or "the service itself"}, "requestor": user is None},
        {"type": role(server), "who": {"display": site}, "requestor": False},
    ]
    if user:
        kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP", "display": "information recipient"}]}
        who = {"reference": user} if "/" in user else {"display": user}
        agents.append({"type": kind, "who": who, "requestor": True})
    return agents


def _entities(told: dict[str, Any]) -> list[dict[str, Any]]:
    details = dict(told.get("details", {}))
    correlation = details.pop("request", None)
    entities: list[dict[str, Any]] = []
    if patient := told.get("patient"):
        entities.append({"what": {"reference": f"Patient/{patient}"}, "type": _entity_type("1", "Person"), "role": _role("1", "Patient")})
    if Kind(told["kind"]) not in _REST:
        facts = [{"type": name, "valueString": json.dumps(value) if isinstance(value, dict | list) else str(value)} for name, value in sorted(details.items())]
        entity = {"what": {"display": "Marginalia"}, "type": _entity_type("2", "System Object")}
        return [*entities, entity | ({"detail": facts} if facts else {})]
    what = _named(told["subject"]) if told.get("subject") else {"display": "all that was kept"}
    # What a replay compares (hashes of notes, rules and tables) stays in the chain; here stands what a person did.
    facts = [{"type": name, "valueString": str(value)} for name, value in sorted(details.items()) if isinstance(value, str | int | float)]
    entity = {"what": what, "type": _entity_type("2", "System Object"), "role": _role("4", "Domain Resource")}
    entities.append(entity | ({"detail": facts} if facts else {}))
    if correlation:
        kind = {"system": "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", "code": "XrequestId"}
        entities.append({"what": {"identifier": {"value": correlation}}, "type": kind})
    return entities


def _named(subject: str) -> dict[str, Any]:
    """Return a reference; a review, a decision or a page is no FHIR resource to point at, and is named by its identifier."""
    kind, _, number = subject.partition("/")
    if kind in ("Review", "Decision", "Card", "Outbox", "Query", "Arrangement", "Assignment", "Page"):
        return {"identifier": {"system": f"urn:marginalia:{kind.lower()}", "value": number}}
    return {"reference": subject}


def _entity_type(code: str, display: str) -> dict[str, str]:
    return {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": code, "display": display}


def _role(code: str, display: str) -> dict[str, str]:
    return {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": code, "display": display}
