"""Cards as values (CDS Hooks 2.0.1, "CDS Service Response"). What an EHR family wants otherwise is in `profile`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

SUMMARY_LIMIT = 139  # "<140-character summary": 140 fails (C2)
TOPIC_SYSTEM = "urn:uuid:6f1a2f5e-8f0e-4c0e-9a3b-5d1f7f1c9b52"  # names our list of topics; it never changes


class Indicator(StrEnum):
    """Urgency (C3)."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Topic(StrEnum):
    """What a card is about. The code is fixed: EHRs filter and report by it; Epic wants letters and digits only."""

    DIAGNOSES = "diagnosissuggestions"
    GAPS = "documentationquestions"
    PROCEDURES = "proceduresuggestions"
    ORDERS = "ordercheck"
    SPECIFICITY = "problemspecificity"
    UNREAD = "notesnotread"

    @property
    def display(self) -> str:
        """Words for people."""
        return _TOPIC_WORDS[self]


_TOPIC_WORDS = {
    Topic.DIAGNOSES: "Suggested diagnoses",
    Topic.GAPS: "Documentation questions",
    Topic.PROCEDURES: "Documented procedures and supplies",
    Topic.ORDERS: "Order check",
    Topic.SPECIFICITY: "More specific problem",
    Topic.UNREAD: "Notes that could not be read",
}


@dataclass(frozen=True, slots=True)
class NewCondition:
    """A diagnosis that a suggestion adds to the chart."""

    code: str
    display: str
    category: str  # "encounter-diagnosis" | "problem-list-item"
    version: str | None = None  # release of the code system
    evidence: tuple[str, ...] = ()  # references of the notes and values that support it


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One thing the user may accept: always one new diagnosis, because Epic takes one action in a suggestion."""

    uuid: str
    label: str
    condition: NewCondition


@dataclass(frozen=True, slots=True)
class OverrideReason:
    """Why a user may wave a card away (C10)."""

    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Card:
    """One card. `detail` is GitHub-flavoured Markdown without HTML."""

    uuid: str
    topic: Topic
    summary: str
    detail: str
    indicator: Indicator = Indicator.INFO
    suggestions: tuple[Suggestion, ...] = ()
    override_reasons: tuple[OverrideReason, ...] = ()
    queries: tuple[str, ...] = ()  # ids of the documentation queries that it puts

    def __post_init__(self) -> None:
        """Refuse a summary that an EHR would refuse."""
        if not 0 < len(self.summary) <= SUMMARY_LIMIT:
            raise ValueError(f"the summary of a card has {len(self.summary)} characters")


def uuid_of(review_id: str, *names: str) -> str:
    """Return the uuid of a card or suggestion of a review: the same names give the same uuid."""
    return str(uuid5(UUID(review_id), "/".join(names)))


def pruned(value: Any) -> Any:
    """Return a JSON value without null, "", [] and {} at any depth (T3). What becomes empty by that goes too."""
    if isinstance(value, Mapping):
        return {k: v for k, v in ((k, pruned(v)) for k, v in value.items()) if not _is_empty(v)}
    if isinstance(value, list | tuple):
        return [v for v in (pruned(v) for v in value) if not _is_empty(v)]
    return value


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)
