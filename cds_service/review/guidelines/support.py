"""Support: how confidence and evidence of a rule's codes derive from their parts."""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.model import Evidence
from cds_service.review.sheet import Line

WORDING = 0.85  # confidence that a cue of the table means what it says
GUIDELINES = "ICD-10-CM Official Guidelines FY2026"


def least(*parts: Line | float) -> float:
    """Return the confidence of a conclusion from all `parts`: no more than that of the weakest."""
    return min(p if isinstance(p, float) else p.confidence for p in parts)


def evidence(*lines: Line) -> tuple[Evidence, ...]:
    """Return the evidence of all lines, each once."""
    return tuple(dict.fromkeys(e for line in lines for e in line.evidence))


def best(lines: Iterable[Line]) -> Line | None:
    """Return the line of highest confidence, by code where equal."""
    return min(lines, key=lambda line: (-line.confidence, line.code), default=None)
