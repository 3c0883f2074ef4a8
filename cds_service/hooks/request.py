"""A hook call as typed values (CDS Hooks 2.0.1, "HTTP Request"; contexts from the HL7 hook library).

Each error names the field and what to send instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from cds_service.errors import RequestError

Resource = Mapping[str, Any]
_BODY = "The body"
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")  # FHIR R4, datatype id
_LONGEST_REFERENCE = 128

# Which context fields a hook must carry beside userId and patientId (HL7 hook library).
_ENCOUNTER_REQUIRED = frozenset({"encounter-start", "encounter-discharge"})
_RESOURCES_OF_HOOK = {"order-sign": "draftOrders", "problem-list-item-create": "conditions"}


@dataclass(frozen=True, slots=True)
class FhirAuthorization:
    """Access to the EHR's FHIR server for this one call. Never stored, shared or logged (R5)."""

    access_token: str = field(repr=False)
    expires_in: int
    scope: str
    subject: str
    patient: str | None = None


@dataclass(frozen=True, slots=True)
class HookContext:
    """What the user is doing: who, in whose chart, and what is being written."""

    user_id: str  # "Practitioner/7"
    patient_id: str
    encounter_id: str | None = None
    resources: tuple[Resource, ...] = ()  # entries of draftOrders or conditions
    tokens: Mapping[str, str] = field(default_factory=dict)  # the context's primitives, for prefetch templates

    @property
    def sources(self) -> frozenset[str]:
        """What the encounter record calls `resources`: "ServiceRequest/1", or the place of a draft that has no id yet."""
        return frozenset(f"{r.get('resourceType')}/{r['id'].strip()}" if _has_id(r) else f"resources[{place}]" for place, r in enumerate(self.resources))


@dataclass(frozen=True, slots=True)
class HookRequest:
    """One call of a service."""

    hook: str
    hook_instance: str
    context: HookContext
    fhir_server: str | None = None
    authorization: FhirAuthorization | None = None
    prefetch: Mapping[str, Any] = field(default_factory=dict)  # key -> resource, or None for "no data"; an absent key was not supplied
    extension: Mapping[str, Any] = field(default_factory=dict)


def read_request(body: object, *, hook: str) -> HookRequest:
    """Return the typed form of the body of a call to a service of `hook`.

    Raises:
        RequestError: a required field is missing or has the wrong form, or the hook is another one.
    """
    call = _object(body, _BODY)
    sent = _text(call, "hook", "")
    if sent != hook:
        raise RequestError(f"This service is for the hook {hook}, not {sent[:64]}.", "Call the service that /cds-services lists for your hook.", field="hook")
    instance = _text(call, "hookInstance", "")
    try:
        UUID(instance)
    except ValueError as error:
        raise RequestError("hookInstance is not a UUID.", "Send a new UUID with each call.", field="hookInstance") from error
    context = _context(_object(call.get("context"), "context"), hook)
    server = _optional_text(call, "fhirServer", "")
    authorization = None
    if call.get("fhirAuthorization") is not None:
        authorization = _authorization(_object(call["fhirAuthorization"], "fhirAuthorization"), context.patient_id)
        if server is None:
            raise RequestError("fhirServer is missing.", "Send fhirServer whenever you send fhirAuthorization.", field="fhirServer")
    return HookRequest(
        hook,
        instance,
        context,
        server,
        authorization,
        _optional_object(call, "prefetch"),
        _optional_object(call, "extension"),
    )


def bundle_resources(value: object, where: str) -> tuple[Resource, ...]:
    """Return the resources of a Bundle; raises RequestError if it isn't one."""
    bundle = _object(value, where)
    if bundle.get("resourceType") != "Bundle":
        raise RequestError(f"{where} is not a FHIR Bundle.", f"Send {where} as a Bundle whose entries hold the resources.", field=where)
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise RequestError(f"{where}.entry is not a list.", "Send a FHIR Bundle.", field=f"{where}.entry")
    return tuple(e["resource"] for e in entries if isinstance(e, Mapping) and isinstance(e.get("resource"), Mapping))


def each_once(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """Return each resource once, as it stands first: several parts of a call may hold the same one."""
    found: dict[object, Resource] = {}
    for resource in resources:
        found.setdefault((resource.get("resourceType"), resource["id"]) if _has_id(resource) else id(resource), resource)
    return tuple(found.values())


def _has_id(resource: Resource) -> bool:
    return isinstance(resource.get("resourceType"), str) and isinstance(resource.get("id"), str) and bool(resource["id"].strip())


def _context(raw: dict[str, Any], hook: str) -> HookContext:
    where = "context."
    encounter = _optional_text(raw, "encounterId", where)
    user_id = _text(raw, "userId", where)
    if len(user_id) > _LONGEST_REFERENCE:
        raise RequestError("context.userId is too long.", "Send a reference such as Practitioner/7.", field="context.userId")
    if encounter is None and hook in _ENCOUNTER_REQUIRED:
        raise _missing("context.encounterId")
    resources: tuple[Resource, ...] = ()
    name = _RESOURCES_OF_HOOK.get(hook)
    if name:
        if raw.get(name) is None:
            raise _missing(where + name)
        resources = each_once(bundle_resources(raw[name], where + name))
    patient_id = _id(_text(raw, "patientId", where), "context.patientId", "Patient")
    encounter_id = _id(encounter, "context.encounterId", "Encounter") if encounter else None
    tokens = {k: v for k, v in {**raw, "patientId": patient_id, "encounterId": encounter_id}.items() if isinstance(v, str)}
    return HookContext(user_id, patient_id, encounter_id, resources, tokens)


def _authorization(raw: dict[str, Any], patient_id: str) -> FhirAuthorization:
    where = "fhirAuthorization."
    token = _text(raw, "access_token", where)
    if _text(raw, "token_type", where) != "Bearer":
        raise RequestError("fhirAuthorization.token_type is not Bearer.", "Send a bearer token.", field="fhirAuthorization.token_type")
    expires = raw.get("expires_in")
    if not isinstance(expires, int) or isinstance(expires, bool):
        name = where + "expires_in"
        raise RequestError(f"{name} is missing or not a whole number.", "Send the token's lifetime in seconds.", field=name)
    patient = _optional_text(raw, "patient", where)
    if patient is not None and patient.removeprefix("Patient/") != patient_id:
        name = where + "patient"
        raise RequestError(f"{name} is another patient than context.patientId.", "Send a token for the patient whose chart is open.", field=name)
    return FhirAuthorization(token, expires, _text(raw, "scope", where), _text(raw, "subject", where), patient)


def _id(value: str, name: str, kind: str) -> str:
    """Return the id of "Patient/1" as well as of "1": some EHRs send references in the context."""
    bare = value.removeprefix(f"{kind}/")
    if not _ID.fullmatch(bare):
        raise RequestError(f"{name} is not a FHIR id.", "Send up to 64 letters, digits, '-' and '.'.", field=name)
    return bare


def _object(value: object, where: str) -> dict[str, Any]:
    if value is None:
        raise _missing(where)
    if not isinstance(value, dict):
        field_name = None if where == _BODY else where
        raise RequestError(f"{where} is not a JSON object.", "Send an object as the CDS Hooks specification defines it.", field=field_name)
    return value


def _optional_object(parent: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {} if parent.get(name) is None else _object(parent[name], name)


def _text(parent: Mapping[str, Any], name: str, where: str) -> str:
    value = _optional_text(parent, name, where)
    if value is None:
        raise _missing(where + name)
    return value


def _optional_text(parent: Mapping[str, Any], name: str, where: str) -> str | None:
    value = parent.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise RequestError(f"{where}{name} is not a non-empty string.", f"Send {where}{name} as a string.", field=where + name)
    return value


def _missing(where: str) -> RequestError:
    return RequestError(f"{where} is missing.", f"Send {where} with the call.", field=where)
