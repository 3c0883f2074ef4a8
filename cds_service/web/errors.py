"""The only place that turns errors into HTTP: an OperationOutcome under /cds-services (S1), a JSON problem elsewhere.

No answer holds a stack trace, note text or a token. A 401 is bare (J8).
"""

from __future__ import annotations

import errno
import json
import logging
from dataclasses import dataclass

from flask import Flask, Response, g, jsonify, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound, RequestEntityTooLarge

from cds_service.errors import (
    BusyError,
    MarginaliaError,
    NoCodeSetInForce,
    NotAuthenticatedError,
    NotFoundError,
    PreconditionError,
    RequestError,
    StoreError,
    UnknownServiceError,
    UpstreamError,
)
from cds_service.logs import told_of
from cds_service.serving.admission import empty_answer, wants_empty_answer
from fhir_mappers import FhirError, ServerError

_LOG = logging.getLogger(__name__)
# Most specific first. The issue types are FHIR's (http://hl7.org/fhir/issue-type).
_STATUS: tuple[tuple[type[Exception], int, str], ...] = (
    (UnknownServiceError, 404, "not-found"),
    (RequestError, 400, "invalid"),
    (NotFoundError, 404, "not-found"),
    (PreconditionError, 412, "required"),
    (UpstreamError, 412, "transient"),
    (NoCodeSetInForce, 422, "not-supported"),
    (BusyError, 503, "throttled"),
    (StoreError, 503, "transient"),
    (ServerError, 412, "transient"),
    (FhirError, 400, "invalid"),
)
_ISSUE_OF_STATUS = {404: "not-found", 405: "not-supported", 413: "too-long", 503: "transient"}


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as a caller sees it."""

    status: int
    code: str
    message: str
    remedy: str
    field: str | None = None
    issue: str = "exception"

    def as_json(self) -> dict[str, object]:
        """Return the problem of the API."""
        told: dict[str, object] = {"status": self.status, "code": self.code, "message": self.message, "remedy": self.remedy}
        return told | ({"field": self.field} if self.field else {})

    def as_outcome(self) -> dict[str, object]:
        """Return the problem as a FHIR OperationOutcome."""
        issue: dict[str, object] = {"severity": "error", "code": self.issue, "details": {"text": self.message}, "diagnostics": self.remedy}
        return {"resourceType": "OperationOutcome", "issue": [issue | ({"expression": [self.field]} if self.field else {})]}


def handle(app: Flask) -> None:
    """Register the handlers."""
    app.register_error_handler(MarginaliaError, _known)
    app.register_error_handler(FhirError, _known)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(SQLAlchemyError, _store)
    app.register_error_handler(Exception, _defect)


def answer_to(error: MarginaliaError | FhirError) -> Response:
    """Return the answer that tells an error."""
    return _known(error)


def _known(error: MarginaliaError | FhirError) -> Response:
    if isinstance(error, NotAuthenticatedError):
        return Response(status=401, headers={"WWW-Authenticate": "Bearer"})
    found = next(((status, issue) for kind, status, issue in _STATUS if isinstance(error, kind)), None)
    if found is None:
        return _defect(error)
    status, issue = found
    if isinstance(error, BusyError):
        g.refused = "empty" if wants_empty_answer() else "503"
        if g.refused == "empty":
            return jsonify(empty_answer(error.message))
    return _answer(Problem(status, error.code, error.message, error.remedy, getattr(error, "field", None), issue))


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    message, remedy = {
        NotFound: ("There is nothing at this address.", "/openapi.json lists the addresses."),
        MethodNotAllowed: (f"{request.method} is not allowed here.", "The header Allow names the methods."),
        RequestEntityTooLarge: ("The body is too large.", "Send fewer or shorter notes: the setting max_body_mb limits the body."),
        InternalServerError: ("The service failed.", "Try again; if it stays, tell the operator the time of the call."),
    }.get(type(error), (f"{error.name}.", "See /openapi.json."))
    response = _answer(Problem(status, f"http.{status}", message, remedy, issue=_ISSUE_OF_STATUS.get(status, "invalid")))
    for name, value in error.get_headers(request.environ):
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _store(error: SQLAlchemyError) -> Response:
    _LOG.error("store failed", extra={"fields": {"error": type(error).__name__}})
    return _answer(Problem(503, "store", "The service can't keep the review now.", "Try again; if it stays, check the database.", issue="transient"))


def _defect(error: Exception) -> Response:
    if isinstance(error, BlockingIOError | ConnectionError):  # the caller fell silent, or went away, in the middle of its body
        return _answer(Problem(408, "http.408", "The request didn't arrive in time.", "Send it again.", issue="timeout"))
    if is_out_of_memory(error):
        _LOG.error("out of memory", extra={"fields": told_of(error)})
        remedy = "Call again; if it stays, send fewer or shorter notes, or give the service more memory."
        return _answer(Problem(503, "memory", "The service has no memory for this call now.", remedy, issue="throttled"))
    _LOG.error("defect", extra={"fields": told_of(error)})
    return _answer(Problem(500, "internal", "The service failed.", "Try again; if it stays, tell the operator the time of the call."))


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory ran out: Python's own, the system's, or ONNX Runtime's, which has no type for it."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return type(error).__module__.startswith("onnxruntime") and "alloc" in str(error)


def _answer(problem: Problem) -> Response:
    later = {"Retry-After": str(BusyError.retry_after)} if problem.status == 503 else None
    if request.path == "/cds-services" or request.path.startswith("/cds-services/"):
        return Response(json.dumps(problem.as_outcome()), problem.status, later, content_type="application/fhir+json")
    return Response(json.dumps(problem.as_json()), problem.status, later, content_type="application/problem+json")
