"""MEAT: whether this encounter's documentation shows that a condition was monitored, evaluated, assessed or treated.

Source: CMS, Medicare Managed Care Manual, chapter 7 (risk adjustment: documented in a face-to-face visit), and guidelines III and IV.J. For the coder only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cds_service.review.case import LEADING, Case
from cds_service.review.guidelines.support import together
from cds_service.review.model import Evidence, EvidenceKind, Meat
from cds_service.review.sheet import Line

_CUES = (("monitored", "meat_monitored"), ("evaluated", "meat_evaluated"), ("treated", "meat_treated"))
_SHOWN = 2
_NEXT = re.compile(r"\n[ \t]*(?:\d|#|\n|\Z)")  # the next numbered item, or an empty line
_ITEM_REACH = 400  # characters after a heading item ("1. Diabetes") within which its plan stands


def meat(line: Line, case: Case) -> tuple[Meat, ...]:
    """Return what supports a line, by element; empty where nothing of this encounter does."""
    return tuple(Meat(element, found[:_SHOWN]) for element, found in _elements(line, case) if found)


def _elements(line: Line, case: Case) -> Iterator[tuple[str, tuple[Evidence, ...]]]:
    words = tuple(e for e in line.evidence if e.kind is EvidenceKind.NOTE and e.begin is not None)
    yield "assessed", tuple(e for e in words if e.section in LEADING)
    plans = [(e, _plan_end(e, case)) for e in words if e.section in LEADING and case.is_item(e)]
    for element, cue in _CUES:
        below = (f for e, end in plans for f in case.between(cue, e.source, e.end or 0, end))
        yield element, tuple(dict.fromkeys((*together(case, cue, words), *below)))


def _plan_end(item: Evidence, case: Case) -> int:
    """Return where the lines below an item of a conclusion end: at the next item or empty line."""
    begin = item.end or 0
    text = case.text(item.source)[begin : begin + _ITEM_REACH]
    after = _NEXT.search(text)
    return begin + (after.start() if after else len(text))
