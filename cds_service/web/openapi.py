"""The OpenAPI description of the service."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from cds_service.access.gate import TOKEN_PATH
from cds_service.access.tokens import ASSERTION_TYPE
from cds_service.web.review_schema import REVIEW_SCHEMAS

_JSON = "application/json"
_FHIR = "application/fhir+json"
_PROBLEM_JSON = "application/problem+json"

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "What is wrong and what to do.",
    "properties": {
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable name of the error."},
        "message": {"type": "string"},
        "remedy": {"type": "string"},
        "field": {"type": "string", "description": "Path of the wrong element of the request."},
    },
    "required": ["status", "code", "message", "remedy"],
    "additionalProperties": False,
}

_TEXT_REQUEST: dict[str, Any] = {
    "type": "object",
    "description": "One note as plain text.",
    "properties": {
        "text": {"type": "string", "minLength": 1},
        "encounterDate": {"type": "string", "format": "date"},
        "setting": {"type": "string", "enum": ["inpatient", "outpatient", "emergency"], "default": "outpatient"},
        "patient": {
            "type": "object",
            "properties": {"birthDate": {"type": "string", "format": "date"}, "gender": {"type": "string", "enum": ["male", "female", "other", "unknown"]}},
            "additionalProperties": False,
        },
    },
    "required": ["text"],
    "additionalProperties": False,
}

_BUNDLE: dict[str, Any] = {
    "type": "object",
    "description": "A FHIR R4 Bundle with a Patient, the Encounter, notes and what else is known.",
    "properties": {"resourceType": {"const": "Bundle"}, "entry": {"type": "array", "items": {"type": "object"}}},
    "required": ["resourceType"],
}


_RETRY_AFTER: dict[str, Any] = {"description": "Seconds after which to call again.", "schema": {"type": "integer", "minimum": 1}}
_CHALLENGE: dict[str, Any] = {"description": "How to say who calls.", "schema": {"const": "Bearer"}}
_SECURITY: dict[str, Any] = {
    "ehr": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "CDS Hooks 2.0: a JWT that the EHR signs anew for each call."},
    "codingSystem": {"type": "http", "scheme": "bearer", "description": "An access token of /oauth/token, or a key of `marginalia client key`."},
}
# What any route may answer: a foreign Host in open mode, a request that stays away, a defect, a service that is busy or without database or memory.
_ANYWHERE = {
    "400": "The request is wrong.",
    "408": "The request didn't arrive in time.",
    "500": "The service failed.",
    "503": "The service is busy, or lacks database or memory, for now: call again after the seconds of Retry-After.",
}
_WITH_BODY = {"413": "The body is too large."}
_NOT_IN_FORCE = {"422": "No code set is in force on the date of service."}
_BARE_401: dict[str, Any] = {
    "description": "The caller didn't say, or prove, who it is. No reason is given.",
    "headers": {"WWW-Authenticate": {"$ref": "#/components/headers/Challenge"}},
}


def openapi(public_url: str) -> dict[str, Any]:
    """Return the description, for the service at `public_url`."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Marginalia",
            "version": metadata.version("marginalia"),
            "description": "Coding and documentation assistant: CDS Hooks services, and the same review for coding systems.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": public_url}],
        "paths": _cds_paths() | _api_paths() | _token_paths() | _operation_paths(),
        "components": {
            "schemas": REVIEW_SCHEMAS | {"Problem": _PROBLEM, "TextRequest": _TEXT_REQUEST, "Bundle": _BUNDLE},
            "headers": {"RetryAfter": _RETRY_AFTER, "Challenge": _CHALLENGE},
            "securitySchemes": _SECURITY,
        },
    }


def _cds_paths() -> dict[str, Any]:
    service = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Id of the service."}
    call = {"required": True, "content": {_JSON: {"schema": {"type": "object"}}}}
    unknown = {"404": "No such service."}
    of_calls = _failures(_FHIR, _ANYWHERE | unknown | {"412": "Required data can't be had."} | _WITH_BODY | _NOT_IN_FORCE)
    known: dict[str, Any] = {"security": [{}, {"ehr": []}]}
    return {
        "/cds-services": {
            "get": known
            | {"operationId": "discovery", "summary": "The CDS services on offer", "responses": {"200": _plain("The services.")} | _failures(_FHIR, _ANYWHERE)}
        },
        "/cds-services/{id}": {
            "post": known
            | {
                "operationId": "call",
                "summary": "Call a CDS service",
                "parameters": [service],
                "requestBody": call,
                "responses": {"200": _plain("Cards; in a busy moment an empty list, for a client that is set to take that.")} | of_calls,
            }
        },
        "/cds-services/{id}/feedback": {
            "post": known
            | {
                "operationId": "feedback",
                "summary": "Tell what became of cards",
                "parameters": [service],
                "requestBody": call,
                "responses": {"200": {"description": "Kept."}} | _failures(_FHIR, _ANYWHERE | unknown | _WITH_BODY),
            }
        },
    }


def _api_paths() -> dict[str, Any]:
    review = {"description": "The review.", "content": {_JSON: {"schema": _ref("CodingReview")}}}
    body = {"required": True, "content": {_JSON: {"schema": {"oneOf": [_ref("TextRequest"), _ref("Bundle")]}}, _FHIR: {"schema": _ref("Bundle")}}}
    identifier = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Id of the review."}
    known: dict[str, Any] = {"security": [{}, {"codingSystem": []}]}
    return {
        "/api/v1/review": {
            "post": known
            | {
                "operationId": "review",
                "summary": "Review a note or an encounter",
                "requestBody": body,
                "responses": {"200": review} | _failures(_PROBLEM_JSON, _ANYWHERE | _WITH_BODY | _NOT_IN_FORCE),
            }
        },
        "/api/v1/reviews/{id}": {
            "get": known
            | {
                "operationId": "keptReview",
                "summary": "A kept review, without the words of the notes",
                "parameters": [identifier],
                "responses": {"200": review} | _failures(_PROBLEM_JSON, _ANYWHERE | {"404": "No such review."}),
            }
        },
    }


def _token_paths() -> dict[str, Any]:
    """OAuth 2.0 for coding systems: RFC 6749 4.4 with RFC 7523 2.2, and RFC 8414."""
    fields = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE}
    form = {
        "type": "object",
        "properties": {**{name: {"const": value} for name, value in fields.items()}, "client_assertion": {"type": "string"}, "scope": {"type": "string"}},
        "required": [*fields, "client_assertion"],
    }
    body = {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": form}}}
    answers = {"200": _plain("An access token."), "400": _plain("The request is wrong (RFC 6749 5.2)."), "401": _plain("The client isn't who it says.")}
    others = _failures(_PROBLEM_JSON, _ANYWHERE | _WITH_BODY, closed=False)
    answers["400"]["content"] |= others.pop("400")["content"]
    metadata = {"200": _plain("The metadata.")} | _failures(_PROBLEM_JSON, _ANYWHERE, closed=False)
    return {
        TOKEN_PATH: {"post": {"operationId": "token", "summary": "Get an access token", "requestBody": body, "responses": answers | others}},
        "/.well-known/oauth-authorization-server": {
            "get": {"operationId": "authorizationServer", "summary": "Where and how tokens are given", "responses": metadata}
        },
    }


def _operation_paths() -> dict[str, Any]:
    pages = (
        ("/healthz", "alive", "Is the process alive?", _JSON),
        ("/readyz", "ready", "Is the service ready, and on which execution provider?", _JSON),
        ("/metrics", "metrics", "Metrics in Prometheus' text format", "text/plain"),
        ("/openapi.json", "openapi", "This description", _JSON),
        ("/model-card", "modelCard", "The card of the model in use", "text/plain"),
    )
    paths: dict[str, Any] = {}
    for path, name, words, kind in pages:
        answers = {"200": {"description": "As asked.", "content": {kind: {}}}} | _failures(_PROBLEM_JSON, _ANYWHERE, closed=False)
        paths[path] = {"get": {"operationId": name, "summary": words, "responses": answers}}
    paths["/readyz"]["get"]["responses"]["503"] = _plain("The database doesn't answer.") | {"headers": {"Retry-After": _header("RetryAfter")}}
    paths["/model-card"]["get"]["responses"] |= _failures(_PROBLEM_JSON, {"404": "The model has no card."}, closed=False)
    return paths


def _failures(kind: str, reasons: dict[str, str], *, closed: bool = True) -> dict[str, Any]:
    """Return the answers that tell a failure in the form of the route; `closed`: a caller that isn't known has no access."""
    schema = _ref("Problem") if kind == _PROBLEM_JSON else {"type": "object"}
    form = " A FHIR OperationOutcome." if kind == _FHIR else ""
    told: dict[str, Any] = {status: {"description": f"{why}{form}", "content": {kind: {"schema": schema}}} for status, why in reasons.items()}
    if "503" in told:
        told["503"]["headers"] = {"Retry-After": _header("RetryAfter")}
    return told | ({"401": _BARE_401} if closed else {})


def _header(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/headers/{name}"}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _plain(description: str) -> dict[str, Any]:
    return {"description": description, "content": {_JSON: {"schema": {"type": "object"}}}}

