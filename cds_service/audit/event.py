"""What is audited, in the words of the audit. No event holds a word of a note, a name, a code of a diagnosis, or a token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """Kinds of events."""

    ANSWER = "answer"  # a review was made and handed out
    READ = "read"  # a kept review was handed out or shown
    DECISION = "decision"  # a person decided about a suggestion, or told the outcome of a card
    QUERY = "query"  # a documentation query was sent, answered, closed or opened again
    CHANGE = "change"  # the order of codes, an indicator or the assignment of an encounter was changed
    WRITE = "write"  # something was written to the EHR
    OPEN = "open"  # a person opened a chart in the app
    CLOSE = "close"  # a person closed it
    REFUSAL = "refusal"  # a person asked for what their role or their launch doesn't allow
    CONFIGURATION = "configuration"  # the service started with, or changed to, these settings, model and code sets
    STOP = "stop"  # the service stopped
    ERASE = "erase"  # what is kept of a patient was deleted
    RETENTION = "retention"  # what was older than the retention was deleted
    BACKUP = "backup"  # what is kept was copied into a file
    RESTORE = "restore"  # what is kept came out of a file


class Outcome(StrEnum):
    """How it ended, in the codes of FHIR (audit-event-outcome)."""

    SUCCESS = "0"
    MINOR_FAILURE = "4"
    SERIOUS_FAILURE = "8"


@dataclass(frozen=True, slots=True)
class Event:
    """One event, before it has its place in the chain.

    Attributes:
        client: name of the EHR, or of the command, that called.
        user: FHIR reference of the person ("Practitioner/7"), where one is known.
        patient: id of the patient, where it is about one.
        subject: reference of what was read, made, decided or written ("Review/<id>", "Condition/<id>").
        details: further facts; values are JSON.
    """

    kind: Kind
    tenant: str = ""
    client: str | None = None
    user: str | None = None
    patient: str | None = None
    subject: str | None = None
    outcome: Outcome = Outcome.SUCCESS
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the event as an object without what is absent."""
        told: dict[str, Any] = {"kind": self.kind.value, "tenant": self.tenant, "outcome": self.outcome.value}
        for name in ("client", "user", "patient", "subject"):
            if value := getattr(self, name):
                told[name] = value
        return told | ({"details": dict(self.details)} if self.details else {})
