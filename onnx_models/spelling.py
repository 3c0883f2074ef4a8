"""Slips of the finger in clinical words: a word that no text of the training material holds is read as the nearest that one does."""

from __future__ import annotations

from collections import defaultdict
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
        self._rank = {word: i for i, word in enumerate(words)}
        self._by_begin: dict[str, list[str]] = defaultdict(list)  # by the first letter, and by the first two
        for word in words:
            self._by_begin[word[:1]].append(word)
            self._by_begin[word[:2]].append(word)
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
        # Hardly anybody slips on the first letter, unless the first two are turned round; of two as near the commoner is meant.
        likely = [*self._by_begin.get(word[0], ()), *self._by_begin.get(word[1::-1], ())]
        near = process.extract(word, likely, scorer=OSA.distance, score_cutoff=1 if len(word) < _LONG else 2, limit=20)
        return min(near, key=lambda n: (n[1], self._rank[n[0]]))[0] if near else word
