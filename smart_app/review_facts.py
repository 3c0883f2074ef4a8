"""What of a kept review is counted and compared: codes, confidences, edits and gaps, without evidence and words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One suggested code."""

    code: str
    display: str
    confidence: float
    billable: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One claim edit that the review raised."""

    edit: str
    codes: tuple[str, ...]
    critical: bool


@dataclass(frozen=True, slots=True)
class ReviewFacts:
    """What a kept review tells, without anything that isn't counted."""

    patient: str
    encounter: str
    created: datetime
    setting: str
    model: str
    suggestions: tuple[Suggestion, ...]
    findings: tuple[Finding, ...]
    asks: int
    read: int  # notes read
    left: int  # notes or parts of notes that weren't read
    reading_ms: float | None


def read_review(document: Mapping[str, Any]) -> ReviewFacts:
    """Return the facts of a kept review."""
    coverage = document.get("coverage", {})
    took = document.get("timingMs") or {}
    return ReviewFacts(
        patient=document["patient"],
        encounter=document.get("encounter") or "",
        created=datetime.fromisoformat(document["created"]),
        setting=document.get("setting", ""),
        model=f"{document['model']['name']} {document['model']['version']}",
        suggestions=tuple(Suggestion(item["code"], item["display"], item["confidence"], item.get("billable", True)) for _, item in suggested(document)),
        findings=tuple(Finding(f["edit"], tuple(f.get("codes", ())), f["severity"] == "critical") for f in document.get("claimFindings", ())),
        asks=len(document.get("queries", ())),
        read=len(coverage.get("notesRead", ())),
        left=len(coverage.get("notesSkipped", ())),
        reading_ms=sum(took.values()) if took else None,
    )


def suggested(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield anchor and content of every code that a review suggests."""
    for kind, name in (("diagnosis", "diagnoses"), ("procedure", "procedures"), ("supply", "supplies")):
        for at, item in enumerate(document.get(name, ())):
            yield f"{kind}-{at}", item
