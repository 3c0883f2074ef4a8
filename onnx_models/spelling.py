"""Slips of the finger in clinical words: a word that no text of the training material holds is read as the nearest that one does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from rapidfuzz import process
from rapidfuzz.distance import OSA

from onnx_models.normalise import stem

_SHORTEST, _LONG = 5, 10  # letters: shorter words lie too near to each other; from _LONG on two slips are allowed


class Speller:
    """Known words, the commonest first. Immutable after loading but for its memory of answers; safe to share between threads."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._known = {*words, *map(stem, words)}
        self._fixed = lru_cache(maxsize=20_000)(self._fix)

    @classmethod
    def load(cls, path: Path) -> Speller:
        """Read the artefact: one lower-case word a line."""
        return cls(path.read_text(encoding="ascii").split())

    def save(self, path: Path) -> None:
        """Write the artefact that `load` reads."""
        path.write_text("\n".join(self._words) + "\n", encoding="ascii")

    def fix(self, word: str, *, first: bool = True) -> str:
        """Return `word` as it was meant; itself where it is known, short, or like nothing known.

        Args:
            word: letters only.
            first: whether it begins the sentence; elsewhere a capital makes it a name, which isn't touched.
        """
        if len(word) < _SHORTEST or not word.isascii() or (word[0].isupper() and not first and not word.isupper()):
            return word
        return self._fixed(word.lower())

    def _fix(self, word: str) -> str:
        if word in self._known or stem(word) in self._known:
            return word
        near = process.extract(word, self._words, scorer=OSA.distance, score_cutoff=1 if len(word) < _LONG else 2, limit=20)
        # Hardly anybody slips on the first letter; of two as near the commoner is meant.
        likely = [n for n in near if n[0][0] == word[0] or n[0][:2] == word[1::-1]]
        return min(likely, key=lambda n: (n[1], n[2]))[0] if likely else word
