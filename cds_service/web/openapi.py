"""The OpenAPI description of the service."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from cds_service.access.gate import TOKEN_PATH
from cds_service.access.tokens import ASSERTION_TYPE
from cds_service.web.review_schema import REVIEW_SCHEMAS

_JSON = "application/json"
_FHIR = "application/fhir+json"

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
        "components": {"schemas": REVIEW_SCHEMAS | {"Problem": _PROBLEM, "TextRequest": _TEXT_REQUEST, "Bundle": _BUNDLE}},
    }


def _cds_paths() -> dict[str, Any]:
    service = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Id of the service."}
    failures = {status: _outcome(why) for status, why in (("400", "The call is wrong."), ("404", "No such service."), ("412", "Required data can't be had."))}
    call = {"required": True, "content": {_JSON: {"schema": {"type": "object"}}}}
    return {
        "/cds-services": {"get": {"operationId": "discovery", "summary": "The CDS services on offer", "responses": {"200": _plain("The services.")}}},
        "/cds-services/{id}": {
            "post": {
                "operationId": "call",
                "summary": "Call a CDS service",
                "parameters": [service],
                "requestBody": call,
                "responses": {"200": _plain("Cards.")} | failures,
            }
        },
        "/cds-services/{id}/feedback": {
            "post": {
                "operationId": "feedback",
                "summary": "Tell what became of cards",
                "parameters": [service],
                "requestBody": call,
                "responses": {"200": {"description": "Kept."}, "400": failures["400"], "404": failures["404"]},
            }
        },
    }


def _api_paths() -> dict[str, Any]:
    review = {"description": "The review.", "content": {_JSON: {"schema": _ref("CodingReview")}}}
    failures = (("400", "The request is wrong."), ("413", "The body is too large."), ("422", "No code set is in force on the date."))
    problems = {status: _problem(why) for status, why in failures}
    body = {"required": True, "content": {_JSON: {"schema": {"oneOf": [_ref("TextRequest"), _ref("Bundle")]}}, _FHIR: {"schema": _ref("Bundle")}}}
    identifier = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Id of the review."}
    return {
        "/api/v1/review": {
            "post": {"operationId": "review", "summary": "Review a note or an encounter", "requestBody": body, "responses": {"200": review} | problems}
        },
        "/api/v1/reviews/{id}": {
            "get": {
                "operationId": "keptReview",
                "summary": "A kept review, without the words of the notes",
                "parameters": [identifier],
                "responses": {"200": review, "404": _problem("No such review.")},
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
    return {
        TOKEN_PATH: {"post": {"operationId": "token", "summary": "Get an access token", "requestBody": body, "responses": answers}},
        "/.well-known/oauth-authorization-server": {
            "get": {"operationId": "authorizationServer", "summary": "Where and how tokens are given", "responses": {"200": _plain("The metadata.")}}
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
    return {
        path: {"get": {"operationId": name, "summary": words, "responses": {"200": {"description": "As asked.", "content": {kind: {}}}}}}
        for path, name, words, kind in pages
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _plain(description: str) -> dict[str, Any]:
    return {"description": description, "content": {_JSON: {"schema": {"type": "object"}}}}


def _outcome(description: str) -> dict[str, Any]:
    return {"description": f"{description} A FHIR OperationOutcome.", "content": {_FHIR: {"schema": {"type": "object"}}}}


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/problem+json": {"schema": _ref("Problem")}}}
