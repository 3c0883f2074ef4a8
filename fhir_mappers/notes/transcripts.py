"""Telling a visit's conversation from a written note."""

from __future__ import annotations

import re

from fhir_mappers.record import Concept

_TITLE = re.compile(
    r"\btranscript(?:ion of (?:the )?(?:visit|conversation|encounter))?\b|\b(?:visit|ambient|encounter) (?:recording|conversation|audio)\b", re.IGNORECASE
)
_TURN = re.compile(
    r"^\s*(?:\[?\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d+)?\]?\s*[-–]?\s*)?"
    r"(?:doctor|dr\.?(?: [A-Z][\w'-]+)?|physician|clinician|provider|nurse|patient|pt|mother|father|mom|dad|wife|husband|son|daughter|"
    r"caregiver|interpreter|speaker[ _]?\w{1,3}|spk[ _]?\d+|[DP])\s*(?:\(.{1,30}\))?\s*:\s+\S",
    re.IGNORECASE,
)
_MIN_TURNS = 6
_LINES = 200  # of the beginning


def is_transcript(title: str, type_: Concept | None, text: str) -> bool:
    """Return whether title, type or the turns of speakers (at least 6, and half of the lines) show a conversation."""
    words = [title, *((type_.text or "", *(c.display or "" for c in type_.codings)) if type_ else ())]
    if any(_TITLE.search(w) for w in words):
        return True
    lines = [line for line in text[:40_000].split("\n") if line.strip()][:_LINES]
    turns = sum(1 for line in lines if _TURN.match(line))
    return turns >= _MIN_TURNS and turns * 2 >= len(lines)
