"""Search over the code set: codes by their beginning, titles and inclusion terms by the beginnings of their words, other names by the engine.

Local, so that nothing typed leaves the service, and quick enough to answer while a person types.
"""

from __future__ import annotations

import re
import threading
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from heapq import nsmallest
from importlib import resources
from typing import Any

from cds_service.review.codeset import CodeSet

Meaning = Callable[[str], tuple[str, ...]]

_WORD = re.compile(r"[a-z0-9]+")
_LIMIT = 12
_SELDOM = re.compile(r"^(?:O|P|Z8[0-7])")
_LATER = 5  # words of a title that such a code stands behind
_FEW = 3  # hits that leave something to be wished
_LONGEST = 5  # words of a synonym
_BY_MEANING = 3  # codes that the engine may put before those with the words typed
_SURE = 0.35  # least score of such a code
_LEAST_LETTERS = 3
_LEAST_WORD = 2  # letters: "of the" means nothing
_LEAVES = 3  # of one code that needs a 7th character: initial, subsequent, sequela stand first in the list


@dataclass(frozen=True, slots=True)
class Hit:
    """A complete code that fits what was typed."""

    code: str
    display: str


class CodeSearch:
    """Finds complete codes of one release. Builds its index with the first search; safe to share between threads."""

    def __init__(self, release: CodeSet, meaning: Meaning = lambda _: ()) -> None:
        """Search `release`; `meaning` gives codes for other names of a condition ("heart attack"), the surest first."""
        self._release = release
        self._meaning = lru_cache(maxsize=2000)(meaning)
        self._lock = threading.Lock()
        self._ready = False

    def find(self, typed: str, limit: int = _LIMIT) -> tuple[Hit, ...]:
        """Return complete codes for a code's beginning ("e1165", "E11.6"), words ("diab hyperg") or another name ("heart attack"), best first."""
        with self._lock:
            if not self._ready:
                self._build()
        code = _dotted(typed)
        found = self._by_code(code, limit) if re.match(r"^[A-Z]\d", code) else []
        words = _WORD.findall(typed.lower())
        if not found and any(len(word) > 1 for word in words):
            other = _title_words(words)
            by_words = [*self._by_words(words, limit, whole=True), *self._by_words(other, limit)] if other else []
            by_words += self._by_words(words, limit)
            # The engine takes longer, so it is asked only where the words lead nowhere.
            found = list(dict.fromkeys(by_words if len(by_words) >= _FEW else [*self._by_meaning(typed, words), *by_words]))
        return tuple(Hit(c, self._release.title(c)) for c in found[:limit])

    def _build(self) -> None:
        release = self._release
        self._codes = sorted(release.billable)
        titles = {code: _WORD.findall(release.entries[code].title.lower()) for code in release.entries if not release.children(code)}
        # Entries are numbered in the order in which they are shown: the shorter title first, then by code; what is for mothers,
        # newborns or histories alone comes later, or it would hide what is meant far more often.
        self._entries = sorted(titles, key=lambda code: (len(titles[code]) + _LATER * bool(_SELDOM.match(code)), code))
        in_title: dict[str, array[int]] = defaultdict(lambda: array("I"))
        anywhere: dict[str, array[int]] = defaultdict(lambda: array("I"))
        for number, code in enumerate(self._entries):
            title = set(titles[code])
            for word in title:
                in_title[word].append(number)
            for word in title.union(*(_WORD.findall(term.lower()) for term in release.entries[code].inclusion)):
                anywhere[word].append(number)
        self._titles, self._terms = _Words(in_title), _Words(anywhere)
        self._ready = True

    def _by_code(self, begin: str, limit: int) -> list[str]:
        at = bisect_left(self._codes, begin)
        return [code for code in self._codes[at : at + limit] if code.startswith(begin)]

    def _by_words(self, words: list[str], limit: int, *, whole: bool = False) -> list[str]:
        titled = self._titles.fitting(words, whole=whole)
        best = nsmallest(limit, titled)
        if len(best) < limit:
            best += nsmallest(limit, self._terms.fitting(words, whole=whole) - titled)
        found: list[str] = []
        for number in best:
            found += self._leaves(self._entries[number])
            if len(found) >= limit:
                break
        return found

    def _by_meaning(self, typed: str, words: list[str]) -> list[str]:
        if len(typed.strip()) < _LEAST_LETTERS or not any(len(word) > _LEAST_WORD for word in words):
            return []
        return [leaf for code in self._meaning(" ".join(typed.split()))[:_BY_MEANING] for leaf in self._leaves(code)]

    def _leaves(self, code: str) -> list[str]:
        return [code] if self._release.is_billable(code) else self._by_code(code, _LEAVES)


class _Words:
    """Which entries have a word that begins so."""

    def __init__(self, postings: Mapping[str, array[int]]) -> None:
        self._vocabulary = sorted(postings)
        self._postings = [postings[word] for word in self._vocabulary]

    def fitting(self, begins: Sequence[str], *, whole: bool = False) -> set[int]:
        """Return the entries that have a word for each beginning, or with `whole` those very words; the rarest is looked up first."""
        spans = sorted((self._span(begin, whole) for begin in begins), key=lambda span: sum(len(p) for p in self._postings[span[0] : span[1]]))
        found: set[int] | None = None
        for first, last in spans:
            mine = set().union(*self._postings[first:last])
            found = mine if found is None else found & mine
            if not found:
                break
        return found or set()

    def _span(self, begin: str, whole: bool) -> tuple[int, int]:
        return bisect_left(self._vocabulary, begin), bisect_left(self._vocabulary, begin + ("\0" if whole else "\uffff"))


def by_engine(read: Callable[[str], Any]) -> Meaning:
    """Return the engine as what knows other names: it reads what is typed as it reads a note, and only what it is sure of counts."""

    def codes(typed: str) -> tuple[str, ...]:
        best: dict[str, float] = {}
        for mention in read(f"Assessment: {typed}.").mentions:
            for candidate in mention.candidates:
                best[candidate.code] = max(best.get(candidate.code, 0.0), candidate.score)
        return tuple(code for code, score in sorted(best.items(), key=lambda pair: -pair[1]) if score >= _SURE)

    return codes


def _title_words(words: Sequence[str]) -> list[str] | None:
    """Return the words of titles for what was typed in other words ("ckd 3b", "heart attack"); None where nothing is said otherwise."""
    said = _synonyms()
    found: list[str] = []
    at, changed = 0, False
    while at < len(words):
        for length in range(min(_LONGEST, len(words) - at), 0, -1):
            title = said.get(" ".join(words[at : at + length]))
            if title:
                found += title
                at += length
                changed = True
                break
        else:
            found.append(words[at])
            at += 1
    return found if changed else None


@cache
def _synonyms() -> Mapping[str, Sequence[str]]:
    rows = (resources.files("smart_app") / "tables" / "synonyms.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return {said: title.split() for said, _, title in (row.partition("\t") for row in rows)}


def _dotted(typed: str) -> str:
    code = re.sub(r"[^A-Z0-9.]", "", typed.upper())
    return code if "." in code or len(code) <= 3 else f"{code[:3]}.{code[3:]}"
