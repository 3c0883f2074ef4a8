"""Errors of the SMART app: one base class, each with a code, plain words and a remedy.

Tree:
    SmartError
        ConfigurationError   a setting is missing or wrong; for the administrator
        LaunchRefused        the launch or its return can't be trusted
        ServerFailure        the EHR's authorisation or FHIR server failed or answered wrongly
        SessionLost          no session for this chart, or it has ended
        AccessDenied         the person or the link may not see this review
        DecisionConflict     somebody else decided meanwhile
        DecisionRefused      the decision can't be recorded as it was sent

No message holds a token, a name of a patient or words of a note: messages reach pages and logs.
"""

from __future__ import annotations


class SmartError(Exception):
    """Base of every error of this package.

    `code` is stable and for support, `message` says what happened, `remedy` what to do, `status` is the HTTP status.
    """

    status = 500

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy


class ConfigurationError(SmartError):
    """A setting is missing or wrong."""

    status = 500


class LaunchRefused(SmartError):
    """The launch, or what came back from it, can't be trusted."""

    status = 400


class ServerFailure(SmartError):
    """The EHR's server can't be reached, failed, or answered something unusable."""

    status = 502


class SessionLost(SmartError):
    """There is no session for this chart in this browser, or it has ended."""

    status = 401


class AccessDenied(SmartError):
    """This person, or this link, may not see the review."""

    status = 403


class DecisionConflict(SmartError):
    """Somebody else decided on the same code meanwhile."""

    status = 409


class DecisionRefused(SmartError):
    """The decision can't be recorded as it was sent."""

    status = 422
