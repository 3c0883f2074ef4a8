"""Errors of the service.

MarginaliaError
├── ConfigurationError        a setting has a wrong value
├── RequestError              the caller's request can't be used as it is (HTTP 400)
│   └── UnknownServiceError   no such CDS service (HTTP 404)
├── NotAuthenticatedError     the client didn't prove who it is (HTTP 401, without a reason)
├── PreconditionError         required data can't be had (HTTP 412)
├── UpstreamError             the FHIR server failed (HTTP 412 for required data)
├── NotFoundError             no such review (HTTP 404)
├── StoreError                what is kept can't be read or written now (HTTP 503)
├── BusyError                 more calls than can be answered in time (HTTP 503 with Retry-After)
├── CodeSetError              a code set is damaged
│   └── NoCodeSetInForce      no release of the code system is in force on the date
├── RuleError                 a rule or a table of the review is wrong
└── EvidenceError             an excerpt is not verbatim in its note: a defect, never shown
"""

from __future__ import annotations


class MarginaliaError(Exception):
    """Base: `code` is stable, `message` says what is wrong, `remedy` what to do. Never holds note text or names.

    `field` is the path of the element of the request that is wrong ("context.patientId"), where there is one.
    """

    code = "marginalia"

    def __init__(self, message: str, remedy: str, *, field: str | None = None) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy
        self.field = field


class ConfigurationError(MarginaliaError):
    """A setting has a wrong value."""

    code = "configuration"


class RequestError(MarginaliaError):
    """The request can't be used as it is."""

    code = "request"


class UnknownServiceError(RequestError):
    """No CDS service has this id."""

    code = "request.unknown-service"


class NotAuthenticatedError(MarginaliaError):
    """The client didn't prove who it is."""

    code = "not-authenticated"


class PreconditionError(MarginaliaError):
    """Data that the service requires can't be had."""

    code = "precondition"


class UpstreamError(MarginaliaError):
    """The FHIR server failed."""

    code = "upstream"


class NotFoundError(MarginaliaError):
    """The thing asked for doesn't exist, or not for this caller."""

    code = "not-found"


class StoreError(MarginaliaError):
    """What is kept can't be read or written now."""

    code = "store"


class BusyError(MarginaliaError):
    """More calls came than can be answered in time; `retry_after` seconds are likely to help."""

    code = "busy"
    retry_after = 1


class CodeSetError(MarginaliaError):
    """A code set is damaged or not what it says."""

    code = "codeset"


class NoCodeSetInForce(CodeSetError):
    """No release of the code system is in force on the date."""

    code = "codeset.not-in-force"


class RuleError(MarginaliaError):
    """A rule or a table of the review is wrong: duplicate id, unknown code, unknown field."""

    code = "rule"


class EvidenceError(MarginaliaError):
    """An excerpt is not, character for character, in the note it cites."""

    code = "evidence"
