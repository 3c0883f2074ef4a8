"""Support: what the rules share: how confidence and evidence derive from parts, and which wordings stand beside which words."""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.model import Evidence
from cds_service.review.sheet import Line

WORDING = 0.85  # confidence that a cue of the table means what it says
LISTED = 0.6  # the same where the words stand in a list of history only
GUIDELINES = "ICD-10-CM Official Guidelines FY2026"
_NOT_SPOKEN = ("allergies", "family", "instructions", "labs")  # sections in which a wording says nothing of this patient's conditions


def least(*parts: Line | float) -> float:
    """Return the confidence of a conclusion from all `parts`: no more than that of the weakest."""
    return min(p if isinstance(p, float) else p.confidence for p in parts)


def evidence(*lines: Line) -> tuple[Evidence, ...]:
    """Return the evidence of all lines, each once."""
    return tuple(dict.fromkeys(e for line in lines for e in line.evidence))


def best(lines: Iterable[Line]) -> Line | None:
    """Return the line of highest confidence, by code where equal."""
    return min(lines, key=lambda line: (-line.confidence, line.code), default=None)


def spoken(case: Case, cue: str) -> tuple[Evidence, ...]:
    """Return the places where a wording is said of the patient, now and without doubt, in a section that speaks of conditions."""
    return tuple(e for e in case.asserted(cue) if e.section not in _NOT_SPOKEN)


def beside(found: Iterable[Evidence], words: Iterable[Evidence], *, before: int, after: int) -> tuple[Evidence, ...]:
    """Return those of `found` that stand in the same note as one of `words`: at most `before` characters before it, `after` characters after it, or within."""
    places = [(w.source, w.begin, w.end) for w in words if w.begin is not None and w.end is not None]
    return tuple(f for f in found if any(f.source == source and _reaches(f, begin, end, before, after) for source, begin, end in places))


def together(case: Case, cue: str, words: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Return the places of a wording, their assertion not judged, that stand in one sentence or one item of a list with one of `words`."""
    if not case.stands(cue):
        return ()
    sentences = dict.fromkeys((w.source, sentence) for w in words if (sentence := case.sentence(w)))
    return tuple(e for source, sentence in sentences for e in case.between(cue, source, sentence.begin, sentence.end))


def all_past(words: Iterable[Evidence], case: Case) -> bool:
    """Tell whether every mention stands directly after words of the past ("history of", "status post")."""
    written = tuple(words)
    ends = {(f.source, f.end) for f in case.said("past_event")}
    return bool(written) and all(any((e.source, (e.begin or 0) - gap) in ends for gap in range(1, 14)) for e in written)


def _reaches(found: Evidence, begin: int, end: int, before: int, after: int) -> bool:
    return found.begin is not None and found.end is not None and found.end >= begin - before and found.begin <= end + after
