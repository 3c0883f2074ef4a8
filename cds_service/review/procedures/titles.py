"""Titles: which code of a flat code set the words of an order or note name wholly.

Nothing is guessed: a code is named where every word of its title that counts stands in the words given, and no other code is named as fully.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from cds_service.review.codeset import CodeSet
from cds_service.review.procedures.phrases import words_of

_EMPTY = frozenset("and or for in on by any each per type includes including include when used use from at as is are be".split())
_LEAST_SHARE = 0.6  # of the words of an order that a title must hold to be an alternative
_MOST = 5


@dataclass(frozen=True, slots=True)
class Named:
    """What words name: one code, or the codes that come near."""

    code: str | None
    others: tuple[str, ...] = ()


class Titles:
    """The titles of one release, found by their words."""

    def __init__(self, titles: Mapping[str, str]) -> None:
        self._words = {code: counting(title) for code, title in titles.items()}
        self._holding: dict[str, list[str]] = defaultdict(list)
        for code, words in self._words.items():
            for word in words:
                self._holding[word].append(code)

    def named(self, text: str, among: Collection[str] | None = None) -> Named:
        """Return the code that `text` names wholly, else those that hold most of its words; `among` keeps to some codes."""
        given = counting(text)
        shared: dict[str, int] = defaultdict(int)
        for word in given:
            for code in self._holding.get(word, ()):
                if among is None or code in among:
                    shared[code] += 1
        whole = [c for c, n in shared.items() if n == len(self._words[c]) and n > 1]
        longest = max((len(self._words[c]) for c in whole), default=0)
        best = sorted(c for c in whole if len(self._words[c]) == longest)
        if len(best) == 1:
            return Named(best[0])
        if best:
            return Named(None, tuple(best[:_MOST]))
        near = sorted((c for c, n in shared.items() if n >= max(2, _LEAST_SHARE * len(given))), key=lambda c: (-shared[c], len(self._words[c]), c))
        exact = [c for c in near if shared[c] == len(given)]
        return Named(exact[0]) if len(exact) == 1 else Named(None, tuple((exact or near)[:_MOST]))


def counting(text: str) -> frozenset[str]:
    """Return the words of a title or order that count."""
    return frozenset(w.form for w in words_of(text) if w.form not in _EMPTY)


@lru_cache(maxsize=8)
def titles_of(release: CodeSet, beginnings: str = "") -> Titles:
    """Return the titles of a release, of codes that begin with one of the letters where some are given."""
    return Titles({c: e.title for c, e in release.entries.items() if not beginnings or c[0] in beginnings})


def told(codes: Iterable[str]) -> str:
    """Return codes in words: "A1, A2 or A3"."""
    *first, last = tuple(codes)
    return f"{', '.join(first)} or {last}" if first else last
