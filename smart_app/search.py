"""Search over the code set: codes by their beginning, then words of titles, inclusion and index terms, synonyms, and names the engine knows.

Local, so that nothing typed leaves the service, and bounded, so that every word is answered while a person types: no network
of the engine runs, only its list of known names.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import numpy as np

from cds_service.review.codeset import CodeSet
from smart_app.word_index import Mask, WordIndex

Meaning = Callable[[str], tuple[str, ...]]

_WORD = re.compile(r"[a-z0-9]+")
_LIMIT = 12
_WINDOW = 200  # hits among which the plain disease is looked for
_SELDOM = re.compile(r"^(?:O|P|Z8[0-7])")
_LATER = 5  # words of a title that such a code stands behind
_FEW = 3  # hits that leave something to be wished
_LONGEST = 5  # words of a synonym
_BY_MEANING = 3  # codes that the engine may put before those with the words typed
_SURE = 0.35  # least score of such a code
_AT_ONCE = 0.0  # a moment that is past: the encoder would take longer than one types
_LEAST_LETTERS = 3
_LEAST_WORD = 2  # letters: "of the" means nothing
_LEAVES = 3  # of one code that needs a 7th character: initial, subsequent, sequela stand first in the list


@dataclass(frozen=True, slots=True)
class Hit:
    """A complete code that fits what was typed."""

    code: str
    display: str


class CodeSearch:
    """Finds complete codes of one release. Builds its index with the first search, or with `prepare`; safe to share between threads."""

    def __init__(self, release: CodeSet, meaning: Meaning = lambda _: ()) -> None:
        """Search `release`; `meaning` gives codes for other names of a condition ("heart attack"), the surest first."""
        self._release = release
        self._meaning = lru_cache(maxsize=2000)(meaning)
        self._lock = threading.Lock()
        self._ready = False

    @property
    def words(self) -> list[str]:
        """The words that are searched, in order."""
        self.prepare()
        return self._terms.words

    def find(self, typed: str, limit: int = _LIMIT) -> tuple[Hit, ...]:
        """Return complete codes for a code's beginning ("e1165", "E11.6"), words ("diab hyperg") or another name ("heart attack"), best first."""
        self.prepare()
        code = _dotted(typed)
        found = self._by_code(code, limit) if re.match(r"^[A-Z]\d", code) else []
        words = _WORD.findall(typed.lower())
        if not found and any(len(word) > 1 for word in words):
            by_words = list(dict.fromkeys(self._said(words, limit)))
            if len(by_words) < _FEW:
                by_words = [*self._by_meaning(typed, words), *by_words, *self._mistyped(words, limit)]
            found = list(dict.fromkeys(by_words))
        return tuple(Hit(c, self._release.title(c)) for c in found[:limit])

    def prepare(self) -> None:
        """Build the index, where that hasn't been done."""
        with self._lock:
            if not self._ready:
                self._build()
                self._ready = True

    def _build(self) -> None:
        release = self._release
        self._codes = sorted(release.billable)
        titles = {code: _WORD.findall(entry.title.lower()) for code, entry in release.entries.items() if not release.children(code)}
        # Entries are numbered in the order in which they are shown: the shorter title first, then by code; what is for mothers,
        # newborns or histories alone comes later, or it would hide what is meant far more often.
        self._entries = sorted(titles, key=lambda code: (len(titles[code]) + _LATER * bool(_SELDOM.match(code)), code))
        words = [set(titles[code]) for code in self._entries]
        self._begins = [titles[code][:_LONGEST] for code in self._entries]
        self._titles = WordIndex(words)
        self._terms = WordIndex([mine.union(*map(_WORD.findall, self._further(code))) for code, mine in zip(self._entries, words, strict=True)])

    def _further(self, code: str) -> Iterator[str]:
        yield from (term.lower() for term in self._release.entries[code].inclusion)
        yield from (name.lower() for name in self._release.names.get(code, ()))

    def _by_code(self, begin: str, limit: int) -> list[str]:
        at = bisect_left(self._codes, begin)
        return [code for code in self._codes[at : at + limit] if code.startswith(begin)]

    def _said(self, words: list[str], limit: int) -> list[str]:
        other, longest = _title_words(words)
        by_other = self._by_words(other, limit) if longest else []
        as_typed = self._by_words(words, limit, whole=True) if longest == 1 else []  # a phrase says more than its words: "broken hip"
        return [*as_typed, *by_other, *self._by_words(words, limit)]

    def _by_words(self, words: list[str], limit: int, *, whole: bool = False) -> list[str]:
        titled = self._titles.fitting(words, whole=whole)
        # The plain disease comes first: "pneumonia" means "Pneumonia, unspecified organism" before that of typhoid fever.
        best = sorted(_first(titled, _WINDOW), key=lambda number: not _plain(self._begins[number], words))[:limit]
        if len(best) < limit:
            best += _first(self._terms.fitting(words, whole=whole) & ~titled, limit)
        found: list[str] = []
        for number in best:
            found += self._leaves(self._entries[number])
            if len(found) >= limit:
                break
        return found

    def _mistyped(self, words: list[str], limit: int) -> list[str]:
        """Return codes for the words that were probably meant: what is no word of the code set is put right, one reading after another."""
        meant = [(word,) if word in self._terms or word in _said_words() else (*self._terms.nearest(word), word) for word in words]
        for place in range(max((len(m) for m in meant), default=0)):
            corrected = [m[min(place, len(m) - 1)] for m in meant]
            found = self._said(corrected, limit) if corrected != words else []
            if found:
                return found
        return []

    def _by_meaning(self, typed: str, words: list[str]) -> list[str]:
        if len(typed.strip()) < _LEAST_LETTERS or not any(len(word) > _LEAST_WORD for word in words):
            return []
        return [leaf for code in self._meaning(" ".join(typed.split()))[:_BY_MEANING] for leaf in self._leaves(code)]

    def _leaves(self, code: str) -> list[str]:
        return [code] if self._release.is_billable(code) else self._by_code(code, _LEAVES)


def by_names(read: Callable[..., Any]) -> Meaning:
    """Return what knows other names of conditions: `read` reads what is typed as a note, by its known names alone, and what it is sure of counts."""

    def codes(typed: str) -> tuple[str, ...]:
        best: dict[str, float] = {}
        for mention in read(f"Assessment: {typed}.", deadline=_AT_ONCE).mentions:
            for candidate in mention.candidates:
                best[candidate.code] = max(best.get(candidate.code, 0.0), candidate.score)
        return tuple(code for code, score in sorted(best.items(), key=lambda pair: -pair[1]) if score >= _SURE)

    return codes


def _plain(title: Sequence[str], words: Sequence[str]) -> bool:
    """Tell whether a title is the words typed and "unspecified"."""
    after = title[len(words) : len(words) + 1]
    return after == ["unspecified"] and all(word.startswith(typed) for word, typed in zip(title, words, strict=False))


def _first(fitting: Mask, limit: int) -> list[int]:
    return [int(number) for number in np.flatnonzero(fitting)[:limit]]


def _title_words(words: Sequence[str]) -> tuple[list[str], int]:
    """Return the words of titles for what was typed in other words ("ckd 3b", "heart attack"), and how many words the longest such name has: 0 for none."""
    said = _synonyms()
    found: list[str] = []
    at = longest = 0
    while at < len(words):
        for length in range(min(_LONGEST, len(words) - at), 0, -1):
            title = said.get(" ".join(words[at : at + length]))
            if title:
                found += title
                at += length
                longest = max(longest, length)
                break
        else:
            found.append(words[at])
            at += 1
    return found, longest


@cache
def _synonyms() -> Mapping[str, Sequence[str]]:
    rows = (resources.files("smart_app") / "tables" / "synonyms.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return {said: title.split() for said, _, title in (row.partition("\t") for row in rows)}


@cache
def _said_words() -> frozenset[str]:
    return frozenset(word for said in _synonyms() for word in said.split())


def _dotted(typed: str) -> str:
    code = re.sub(r"[^A-Z0-9.]", "", typed.upper())
    return code if "." in code or len(code) <= 3 else f"{code[:3]}.{code[3:]}"
