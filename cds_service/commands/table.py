"""A review as a table for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from cds_service.review.codeset import ICD10CM, ICD10PCS
from cds_service.review.model import CodeAssignment, CodingReview, Evidence, EvidenceKind
from fhir_mappers.systems import CPT, HCPCS

_SYSTEMS = {ICD10CM: "ICD-10-CM", ICD10PCS: "ICD-10-PCS", CPT: "CPT", HCPCS: "HCPCS Level II"}
_INDENT = 20  # of the column of words
_EXCERPTS = 3  # of one code


def as_table(review: CodingReview, *, width: int = 100) -> str:
    """Return the review as lines of at most `width` characters (never under 60)."""
    return "\n".join(_lines(review, max(60, width)))


def _lines(review: CodingReview, width: int) -> Iterator[str]:
    sets = {s.system: f"{_SYSTEMS.get(s.system, s.system)} {s.version} in force from {s.effective_from}" for s in review.code_sets}
    yield f"Diagnoses ({review.setting}; {sets.get(ICD10CM, 'no code set')})"
    yield from _codes(review.diagnoses, width)
    for title, codes in (("Procedures", review.procedures), ("Drugs and supplies", review.supplies)):
        if codes:
            used = "; ".join(dict.fromkeys(sets[c.system] for c in codes if c.system in sets))
            yield from ("", f"{title} ({used})" if used else title)
            yield from _codes(codes, width)
    if review.not_coded:
        yield from ("", "Not coded")
        for left in review.not_coded:
            yield from _wrapped(f"     {left.code:<9}      ", f"{left.display} ({left.reason})", width)
            yield from _excerpts(left.evidence[:1], width)
    if review.queries:
        yield from ("", "Questions to the author")
        for query in review.queries:
            yield from _wrapped("  ?  ", f"{query.title}: {query.question}", width)
            yield from _excerpts(query.indicators[:_EXCERPTS], width)
            yield from _wrapped(" " * _INDENT, f"Possible answers: {'; '.join(query.options)}", width)
    if review.claim_findings:
        yield from ("", "Claim checks")
        for finding in review.claim_findings:
            yield from _wrapped("  !  ", f"{', '.join(finding.codes)}: {finding.explanation} {finding.remedy} ({finding.table}, {finding.version})", width)
    if review.denial_risk:
        risk = review.denial_risk
        yield from ("", *_wrapped("  %  ", f"Denied with probability {risk.probability:.0%} (usual: {risk.usual:.0%}). {risk.basis}", width))
    if review.coverage.notes_skipped or review.coverage.warnings:
        yield from ("", "Mind")
        for skipped in review.coverage.notes_skipped:
            yield from _wrapped("  -  ", f"{skipped.source}: {skipped.reason}", width)
        for warning in review.coverage.warnings:
            yield from _wrapped("  -  ", warning, width)


def _codes(codes: Iterable[CodeAssignment], width: int) -> Iterator[str]:
    empty = True
    for number, found in enumerate(codes, 1):
        empty = False
        units = f" ({found.units} {'unit' if found.units == 1 else 'units'})" if found.units else ""
        yield from _wrapped(f"{number:>3}. {found.code:<9}{found.confidence:>4.0%}  ", found.display + units, width)
        yield from _excerpts(found.evidence[:_EXCERPTS], width)
    if empty:
        yield "     none"


def _excerpts(evidence: Iterable[Evidence], width: int) -> Iterator[str]:
    for piece in evidence:
        words = " ".join(piece.text.split())
        place = f"{piece.source}, {piece.section.replace('_', ' ')}" if piece.section else piece.source
        told = f"“{words}” ({place}, {piece.begin}-{piece.end})" if piece.kind is EvidenceKind.NOTE else f"{words} ({piece.source})"
        yield from _wrapped(" " * _INDENT, told, width)


def _wrapped(lead: str, words: str, width: int) -> list[str]:
    return textwrap.wrap(words, width, initial_indent=lead, subsequent_indent=" " * max(len(lead), 5)) or [lead.rstrip()]
