"""Errors of reading FHIR and of talking to a FHIR server.

FhirError
├── BadResource           a resource, or the whole input, can't be used as it is
├── WrongPatient          a resource is about another patient than the one asked for
└── ServerError           the FHIR server gave no usable answer
    ├── ServerUnavailable     it can't be reached, or fails (5xx, 429)
    ├── ServerRefused         it answered, and refused (4xx); `status` tells which
    ├── BadAnswer             it answered something other than FHIR JSON
    └── DeadlineExceeded      it didn't answer in time
"""

from __future__ import annotations


class FhirError(Exception):
    """Base: `code` is stable, `message` says what is wrong, `remedy` what to do. Never holds note text, names or tokens."""

    code = "fhir"

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy


class BadResource(FhirError):
    """A resource, or the whole input, can't be used as it is."""

    code = "fhir.bad-resource"


class WrongPatient(FhirError):
    """A resource is about another patient than the one asked for: nothing of the input is used."""

    code = "fhir.wrong-patient"


class ServerError(FhirError):
    """The FHIR server gave no usable answer."""

    code = "fhir.server"


class ServerUnavailable(ServerError):
    """The FHIR server can't be reached, or fails."""

    code = "fhir.server.unavailable"


class ServerRefused(ServerError):
    """The FHIR server refused the request. `status` is the HTTP status."""

    code = "fhir.server.refused"

    def __init__(self, message: str, remedy: str, status: int) -> None:
        super().__init__(message, remedy)
        self.status = status


class BadAnswer(ServerError):
    """The FHIR server answered something other than FHIR JSON, or too much of it."""

    code = "fhir.server.bad-answer"


class DeadlineExceeded(ServerError):
    """The FHIR server didn't answer within the time the caller had."""

    code = "fhir.server.deadline"
