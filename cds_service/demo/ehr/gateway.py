"""The FHIR endpoint that apps and services see: in front of the FHIR server, it wants a bearer token and keeps to one patient."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import requests
from flask import Blueprint, Response, request

from cds_service.demo.ehr import scopes
from cds_service.demo.ehr.grants import Access, Grants
from cds_service.demo.ehr.site import Site

_JSON = "application/fhir+json"
_PATIENT_ELEMENTS = ("subject", "patient", "beneficiary", "securityContext")
_KEPT_HEADERS = ("Content-Type", "ETag", "Last-Modified", "Location")
_PASSED_ON = ("If-None-Exist", "If-Match", "Prefer")
_SHARED = frozenset({"Practitioner", "PractitionerRole", "Organization", "Location", "Medication"})  # of no patient
_TIMEOUT_S = 20
_TYPE = re.compile(r"[A-Z][A-Za-z]+")
_ID = re.compile(r"(?!\.+$)[A-Za-z0-9.-]{1,64}|_search")


class _Refused(Exception):
    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text


def blueprint(site: Site, grants: Grants) -> Blueprint:
    """Return the endpoint `/fhir` for reads, searches, creates and updates."""
    fhir = Blueprint("fhir", __name__)
    upstream = requests.Session()
    upstream.trust_env = False

    @fhir.get("/fhir/metadata")
    def metadata() -> Response:
        return _relayed(upstream.get(f"{site.fhir_upstream}/metadata", headers={"Accept": _JSON}, timeout=_TIMEOUT_S))

    @fhir.route("/fhir/<resource_type>", methods=["GET", "POST"])
    @fhir.route("/fhir/<resource_type>/<identity>", methods=["GET", "POST", "PUT"])
    def resource(resource_type: str, identity: str | None = None) -> Response:
        access = _access(grants)
        if not _TYPE.fullmatch(resource_type) or not (identity is None or _ID.fullmatch(identity)):
            raise _Refused(404, "not-found", "There is no such resource.")
        permission = _permission(request.method, identity)
        if not scopes.allows(access.scope, resource_type, permission):
            raise _Refused(403, "forbidden", f"The token's scopes don't permit '{permission}' on {resource_type}.")
        if permission in ("c", "u"):
            _same_patient(request.get_json(force=True, silent=True), access)
        passed_on = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        answer = upstream.request(
            request.method,
            f"{site.fhir_upstream}/{resource_type}" + (f"/{identity}" if identity else ""),
            params=list(request.args.items(multi=True)),
            data=request.get_data(),
            headers={"Accept": _JSON, "Content-Type": request.content_type or _JSON} | passed_on,
            timeout=_TIMEOUT_S,
        )
        if answer.ok and answer.content:
            _same_patient(answer.json(), access)
        return _relayed(answer)

    @fhir.errorhandler(_Refused)
    def refused(error: _Refused) -> Response:
        outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": error.code, "diagnostics": error.text}]}
        response = Response(json.dumps(outcome), status=error.status, content_type=_JSON)
        if error.status == 401:
            response.headers["WWW-Authenticate"] = 'Bearer realm="demo"'
        return response

    return fhir


def _access(grants: Grants) -> Access:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    access = grants.tokens.get(token) if kind.lower() == "bearer" and token else None
    if access is None:
        raise _Refused(401, "login", "A valid access token is required.")
    return access


def _permission(method: str, identity: str | None) -> str:
    if method == "GET":
        return "r" if identity else "s"
    if identity == "_search":
        return "s"
    if method == "PUT" and identity:
        return "u"
    if method == "POST" and identity is None:
        return "c"
    raise _Refused(405, "not-supported", "This EHR takes reads, searches, creates and updates.")


def _same_patient(body: object, access: Access) -> None:
    """Raise where a resource, or one in a Bundle, belongs to another patient than the token."""
    for resource in _resources(body):
        patient = _patient_of(resource)
        if patient is not None and patient != access.patient:
            raise _Refused(403, "forbidden", "The token is for another patient.")


def _resources(body: object) -> Iterator[Mapping[str, Any]]:
    if not isinstance(body, dict):
        return
    if body.get("resourceType") == "Bundle":
        for entry in body.get("entry", []):
            yield from _resources(entry.get("resource"))
    elif body.get("resourceType") not in _SHARED:
        yield body


def _patient_of(resource: Mapping[str, Any]) -> str | None:
    if resource.get("resourceType") == "Patient":
        return str(resource.get("id"))
    for element in _PATIENT_ELEMENTS:
        reference = resource.get(element, {}).get("reference", "") if isinstance(resource.get(element), dict) else ""
        kind, _, identity = reference.rpartition("/")
        if kind.endswith("Patient"):
            return str(identity)
    return None


def _relayed(answer: requests.Response) -> Response:
    headers = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
    return Response(answer.content, status=answer.status_code, headers=headers)
