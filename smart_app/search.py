"""Search over the code set: codes by their beginning, titles and inclusion terms by the beginnings of their words.

Local, so that nothing typed leaves the service, and quick enough to answer while a person types.
"""

from __future__ import annotations

import re
import threading
from array import array
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass

from cds_service.review.codeset import CodeSet

_WORD = re.compile(r"[a-z0-9]+")
_LIMIT = 12
_LEAVES = 3  # of one code that needs a 7th character: initial, subsequent, sequela stand first in the list


@dataclass(frozen=True, slots=True)
class Hit:
    """A complete code that fits what was typed."""

    code: str
    display: str


class CodeSearch:
    """Finds complete codes of one release. Builds its index with the first search; safe to share between threads."""

    def __init__(self, release: CodeSet) -> None:
        self._release = release
        self._lock = threading.Lock()
        self._ready = False

    def find(self, typed: str, limit: int = _LIMIT) -> tuple[Hit, ...]:
        """Return complete codes for a code's beginning ("e1165", "E11.6") or words ("diab hyperg"), best first."""
        with self._lock:
            if not self._ready:
                self._build()
        code = _dotted(typed)
        found = self._by_code(code, limit) if re.match(r"^[A-Z]\d", code) else []
        words = _WORD.findall(typed.lower())
        if not found and any(len(word) > 1 for word in words):
            found = self._by_words(words, limit)
        return tuple(Hit(c, self._release.title(c)) for c in found[:limit])

    def _build(self) -> None:
        release = self._release
        self._codes = sorted(release.billable)
        self._entries = [code for code in release.entries if not release.children(code)]
        postings: dict[str, array[int]] = defaultdict(lambda: array("I"))
        self._title_words: list[int] = []
        for number, code in enumerate(self._entries):
            entry = release.entries[code]
            title = set(_WORD.findall(entry.title.lower()))
            self._title_words.append(len(title))
            terms = title.union(*(_WORD.findall(term.lower()) for term in entry.inclusion))
            for word in terms:
                postings[word].append(number)
        self._vocabulary = sorted(postings)
        self._postings = [postings[word] for word in self._vocabulary]
        self._ready = True

    def _by_code(self, begin: str, limit: int) -> list[str]:
        at = bisect_left(self._codes, begin)
        return [code for code in self._codes[at : at + limit] if code.startswith(begin)]

    def _by_words(self, words: list[str], limit: int) -> list[str]:
        fitting = set.intersection(*(self._with(word) for word in words))

        def rank(number: int) -> tuple[bool, int, str]:
            title = _WORD.findall(self._release.entries[self._entries[number]].title.lower())
            in_title = all(any(t.startswith(word) for t in title) for word in words)
            return not in_title, self._title_words[number], self._entries[number]

        found: list[str] = []
        for number in sorted(fitting, key=rank):
            found += self._leaves(self._entries[number])
            if len(found) >= limit:
                break
        return found

    def _with(self, begin: str) -> set[int]:
        first, last = bisect_left(self._vocabulary, begin), bisect_left(self._vocabulary, begin + "\uffff")
        return {number for posting in self._postings[first:last] for number in posting}

    def _leaves(self, code: str) -> list[str]:
        return [code] if self._release.is_billable(code) else self._by_code(code, _LEAVES)


def _dotted(typed: str) -> str:
    code = re.sub(r"[^A-Z0-9.]", "", typed.upper())
    return code if "." in code or len(code) <= 3 else f"{code[:3]}.{code[3:]}"
