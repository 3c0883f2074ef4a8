"""What the notes' coverage has to say on cards: nothing is left out silently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cds_service.hooks.card import Card, Indicator, Topic, uuid_of
from cds_service.hooks.registry import Finding
from cds_service.hooks.words import escaped

COVERAGE_EXTENSION = "org.marginalia.coverage"
_MOST = 20  # reasons told in an extension
_LINES = 5  # reasons told on a card
_NOT_OPENED = "notes"  # what the reading of resources says of documents that it had no time to open


def coverage_extension(finding: Finding) -> dict[str, Any]:
    """Return the response's extension (S4): how many notes were read, what was left and why, and which queries aren't put again."""
    coverage = finding.review.coverage
    held = finding.asking.held.values()
    if not (coverage.notes_skipped or coverage.warnings or held):
        return {}
    return {
        COVERAGE_EXTENSION: {
            "notesRead": len(coverage.notes_read),
            "skipped": len(coverage.notes_skipped),
            "notesSkipped": [{"source": s.source, "reason": s.reason} for s in coverage.notes_skipped[:_MOST]],
            "warnings": list(coverage.warnings),
            "queriesHeldBack": [{"query": h.query, "reason": h.why.value, "since": h.since.isoformat()} for h in held],
        }
    }


def with_coverage(cards: Sequence[Card], finding: Finding) -> list[Card]:
    """Return the cards, the first of them with a line on notes that were not read, or not without a remark."""
    told, unopened = _notes_told(finding), _unopened(finding)
    if not cards or not (told or unopened) or cards[0].topic is Topic.UNREAD:
        return list(cards)
    lines = [_counted(told, finding)] if told else []
    lines += ["There was no time to open every document of this chart."] if unopened else []
    line = f"_{' '.join(lines)} The review tells which, and why._"
    return [replace(cards[0], detail=f"{cards[0].detail}\n\n{line}"), *cards[1:]]


def _counted(told: frozenset[str], finding: Finding) -> str:
    read = frozenset(finding.review.coverage.notes_read)
    counts = ((len(told - read), "not read"), (len(told & read), "read in part or with a reservation"))
    words = ", ".join(f"{number} {what}" for number, what in counts if number)
    total = len(read | told)
    return f"Of {total} note{'s' if total > 1 else ''}: {words}."


def unread_card(finding: Finding) -> Card | None:
    """Return a card that says that no note could be read, where there are notes: silence would look like "nothing found"."""
    coverage = finding.review.coverage
    unread = _notes_told(finding)
    reasons = dict.fromkeys([s.reason for s in coverage.notes_skipped if s.source in unread] + _unopened(finding))
    if coverage.notes_read or not reasons:
        return None
    lines = [f"- {escaped(reason)}" for reason in list(reasons)[:_LINES]]
    return Card(
        uuid=uuid_of(finding.review.id, Topic.UNREAD),
        topic=Topic.UNREAD,
        summary="The notes of this chart could not be read, so nothing was suggested from them",
        detail="\n".join(lines),
        indicator=Indicator.INFO,
    )


def _notes_told(finding: Finding) -> frozenset[str]:
    """Return the sources of notes of which something is told; a missing list of problems is no note."""
    kinds = ("DocumentReference/", "Composition/", "DiagnosticReport/", "ClinicalImpression/")
    return frozenset(s.source for s in finding.review.coverage.notes_skipped if s.source.startswith(kinds))


def _unopened(finding: Finding) -> list[str]:
    return [s.reason for s in finding.review.coverage.notes_skipped if s.source == _NOT_OPENED]
