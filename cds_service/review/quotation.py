"""Quotation: which excerpts of the notes a code shows, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cds_service.review.case import LEADING
from cds_service.review.model import Evidence, EvidenceKind
from cds_service.review.sheet import Line

EXCERPTS = 5  # of the notes at each code: more is not read
_CONCLUDED, _ELSEWHERE = 1, 2  # rank of an excerpt; 0 is what sets the code apart


@dataclass(frozen=True, slots=True)
class _Excerpt:
    evidence: Evidence
    rank: int
    at: int  # place among the evidence of the line


def quoted(line: Line) -> tuple[Evidence, ...]:
    """Return what is shown as evidence of a line: excerpts that add something, then values of the record. Offsets and words stay as they are.

    Of excerpts that overlap in one note the longest stays. The words that set the code apart come first, then the provider's
    conclusions, then the rest.
    """
    words = [e for e in line.evidence if e.kind is EvidenceKind.NOTE and e.begin is not None and e.end is not None]
    others = tuple(e for e in line.evidence if e.kind is not EvidenceKind.NOTE or e.begin is None or e.end is None)
    if len(words) == 1:
        return (*words, *others)
    excerpts = [_Excerpt(e, _rank(e, line.telling), at) for at, e in enumerate(words)]
    kept = sorted(_apart(excerpts), key=lambda x: (x.rank, x.at))[:EXCERPTS]
    return (*(x.evidence for x in kept), *others)


def _rank(evidence: Evidence, telling: Sequence[Evidence]) -> int:
    if evidence in telling:
        return 0
    return _CONCLUDED if evidence.section in LEADING else _ELSEWHERE


def _apart(excerpts: Sequence[_Excerpt]) -> list[_Excerpt]:
    """Return the excerpts without those that a longer one overlaps; the longer one takes the better rank of both."""
    kept: list[_Excerpt] = []
    for excerpt in sorted(excerpts, key=lambda x: (-len(x.evidence.text), x.at)):
        over = next((at for at, k in enumerate(kept) if _covers(k.evidence, excerpt.evidence)), None)
        if over is None:
            kept.append(excerpt)
        elif excerpt.rank < kept[over].rank:
            kept[over] = _Excerpt(kept[over].evidence, excerpt.rank, kept[over].at)
    return kept


def _covers(longer: Evidence, other: Evidence) -> bool:
    """Tell whether two excerpts share words of one note, and the longer is asserted at least as plainly."""
    plain = longer.assertion == other.assertion or longer.assertion is None or longer.assertion.is_asserted
    return plain and longer.source == other.source and (longer.begin or 0) < (other.end or 0) and (other.begin or 0) < (longer.end or 0)
