"""Which entries have which words: by their beginnings while one types, and by the nearest words where one has mistyped.

All entries of a word lie together in one array, and the words in the order of the alphabet: every beginning is one slice, so
the time of an answer is bounded by the number of entries, whatever is typed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

Mask = NDArray[np.bool_]

_LEAST_LETTERS = 4  # of a word that may be mistyped: shorter ones are near to too many
_MOST_LETTERS = 24
_LONG = 7  # letters of a word with which two slips are forgiven
_NEAREST = 3  # words that one mistyped word may mean


class WordIndex:
    """Words of numbered entries. Immutable, so safe to share between threads."""

    def __init__(self, words_of: Sequence[Iterable[str]]) -> None:
        """Index the words of each entry; an entry's number is its place."""
        numbers: dict[str, int] = {}
        words: list[int] = []
        entries: list[int] = []
        for entry, mine in enumerate(words_of):
            for word in mine:
                words.append(numbers.setdefault(word, len(numbers)))
                entries.append(entry)
        self.words = sorted(numbers)
        rank = np.empty(len(numbers), np.int64)
        rank[[numbers[word] for word in self.words]] = np.arange(len(numbers))
        placed = rank[words] if words else np.empty(0, np.int64)
        order = np.argsort(placed, kind="stable")
        self._entries = np.asarray(entries, np.int64)[order]
        self._begins = np.searchsorted(placed[order], np.arange(len(numbers) + 1))
        self._size = len(words_of)
        letters = [word[0] for word in self.words]
        self._by_letter = {letter: (bisect_left(letters, letter), bisect_left(letters, chr(ord(letter) + 1))) for letter in set(letters)}

    def __contains__(self, word: str) -> bool:
        first, last = self._span(word, whole=True)
        return first < last

    def fitting(self, begins: Sequence[str], *, whole: bool = False) -> Mask:
        """Return which entries have a word for each beginning, or with `whole` those very words."""
        found: Mask = np.full(self._size, bool(begins))
        for begin in set(begins):
            first, last = self._span(begin, whole)
            mine: Mask = np.zeros(self._size, np.bool_)
            mine[self._entries[self._begins[first] : self._begins[last]]] = True
            found &= mine
        return found

    def nearest(self, typed: str) -> tuple[str, ...]:
        """Return the words that a mistyped or unfinished word may mean, the likeliest first: the fewest slips, then the commonest."""
        if not _LEAST_LETTERS <= len(typed) <= _MOST_LETTERS:
            return ()
        forgiven = 1 if len(typed) < _LONG else 2
        first, last = self._by_letter.get(typed[0], (0, 0))
        return self._near(typed, first, last, forgiven) or self._near(typed, 0, len(self.words), 1)

    def _near(self, typed: str, first: int, last: int, forgiven: int) -> tuple[str, ...]:
        words = self.words[first:last]
        if not words:
            return ()
        # What is typed may be the beginning of a longer word, with a letter too many or too few.
        slips = np.minimum.reduce(
            [
                cdist([typed], [word[: len(typed) + more] for word in words], scorer=OSA.distance, score_cutoff=forgiven, dtype=np.uint8)[0]
                for more in (-1, 0, 1)
            ]
        )
        counts = self._begins[first + 1 : last + 1] - self._begins[first:last]
        near = [at for at in np.flatnonzero(slips <= forgiven).tolist() if words[at] != typed]
        near.sort(key=lambda at: (slips[at], abs(len(words[at]) - len(typed)) > 1, -counts[at], words[at]))
        return tuple(words[at] for at in near[:_NEAREST])

    def _span(self, begin: str, whole: bool) -> tuple[int, int]:
        return bisect_left(self.words, begin), bisect_left(self.words, begin + ("\0" if whole else "\uffff"))
