"""Text copied forward from an earlier note.

A note's text is cut into its lines and sentences, of which those with at least five words are remembered by hash, weighted by their
length. A note is a copy where one earlier note holds most of its weight. Each sentence remembers only the first and the latest note
that had it, so the work grows with the text alone, not with the number of notes that share it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from fhir_mappers.record import Note

SHARE = 0.6  # of the weight of a note's sentences that an earlier note must hold
_MIN_WORDS = 5  # shorter ones ("No acute distress.") are common to all notes
_MIN_WEIGHT = 20  # words in such sentences: a shorter note says too little to be called a copy
_BREAK = re.compile(r"\n+|(?<=[.;!?])\s+")
_WORD = re.compile(r"\w+")
_NEVER = datetime.min.replace(tzinfo=UTC)


def copied_from(notes: Sequence[Note]) -> dict[str, str]:
    """Return source of a note -> source of the earlier note that it repeats for the most part. Only dated notes are compared."""
    first: dict[int, int] = {}
    latest: dict[int, int] = {}
    found: dict[str, str] = {}
    dated = sorted((n for n in notes if n.date), key=lambda n: n.date or _NEVER)
    for number, note in enumerate(dated):
        sentences = _sentences(note.text)
        total = sum(sentences.values())
        shared: dict[int, int] = {}
        for key, weight in sentences.items():
            for holder in {first.get(key), latest.get(key)} - {None}:
                if holder is not None and dated[holder].date != note.date:
                    shared[holder] = shared.get(holder, 0) + weight
        if total >= _MIN_WEIGHT and shared:
            best = max(shared, key=lambda h: (shared[h], h))
            if shared[best] >= SHARE * total:
                found[note.source] = dated[best].source
        for key in sentences:
            first.setdefault(key, number)
            latest[key] = number
    return found


def _sentences(text: str) -> dict[int, int]:
    """Return hash -> words, for the sentences long enough to tell notes apart."""
    found: dict[int, int] = {}
    for sentence in _BREAK.split(text):
        words = _WORD.findall(sentence.lower())
        if len(words) >= _MIN_WORDS:
            found[hash(tuple(words))] = len(words)
    return found
