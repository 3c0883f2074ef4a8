"""Phrases: words of a table found in text, whatever their case, number and small words between them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
_WORD = re.compile(r"[A-Za-z0-9]+(?:['\u2019]s)?(?:&[A-Za-z])?")
_SMALL = frozenset({"the", "a", "an", "of", "her", "his", "their", "to"})
_KEPT = ("ss", "us", "is", "des")  # endings that are no plural
_IRREGULAR = {"biopsies": "biopsy", "arteries": "artery", "ovaries": "ovary", "vertebrae": "vertebra", "testes": "testis", "laparotomies": "laparotomy"}


class Word(NamedTuple):
    """One word of a text that counts."""

    begin: int
    end: int
    form: str  # lower case, singular


@dataclass(frozen=True, slots=True)
class Hit(Generic[T]):
    """A phrase found."""

    begin: int
    end: int
    value: T


def words_of(text: str, begin: int = 0, end: int | None = None) -> tuple[Word, ...]:
    """Return the words of a stretch of text without articles and the like; offsets are of the whole text."""
    found = []
    for match in _WORD.finditer(text, begin, len(text) if end is None else end):
        form = form_of(match.group())
        if form not in _SMALL:
            found.append(Word(*match.span(), form))
    return tuple(found)


def form_of(word: str) -> str:
    """Return a word in the form in which words are compared: lower case, singular."""
    plain = word.lower().replace("\u2019", "'").removesuffix("'s")
    if plain in _IRREGULAR:
        return _IRREGULAR[plain]
    return plain[:-1] if len(plain) > 3 and plain.endswith("s") and not plain.endswith(_KEPT) else plain


class Phrases(Generic[T]):
    """A dictionary of phrases; of phrases that overlap the longest is found."""

    def __init__(self, named: Iterable[tuple[str, T]]) -> None:
        """Take phrases with what each means; one that comes twice keeps its first meaning."""
        self._by_first: dict[str, list[tuple[tuple[str, ...], T]]] = {}
        seen: set[tuple[str, ...]] = set()
        for phrase, value in named:
            forms = tuple(w.form for w in words_of(phrase))
            if forms and forms not in seen:
                seen.add(forms)
                self._by_first.setdefault(forms[0], []).append((forms, value))
        for entries in self._by_first.values():
            entries.sort(key=lambda e: -len(e[0]))

    @classmethod
    def of_lists(cls, lists: Iterable[tuple[Sequence[str], T]]) -> Phrases[T]:
        """Return the phrases of lists that share a meaning."""
        return cls((phrase, value) for phrases, value in lists for phrase in phrases)

    @classmethod
    def of_table(cls, table: Mapping[str, T]) -> Phrases[T]:
        """Return the phrases of a mapping."""
        return cls(table.items())

    def values(self) -> tuple[T, ...]:
        """Return what the phrases mean, once for each phrase."""
        return tuple(value for entries in self._by_first.values() for _, value in entries)

    def find(self, words: Sequence[Word]) -> tuple[Hit[T], ...]:
        """Return the phrases in a run of words, in order, the longest where they overlap."""
        forms = [w.form for w in words]
        found: list[Hit[T]] = []
        at = 0
        while at < len(forms):
            step = 1
            for phrase, value in self._by_first.get(forms[at], ()):
                if tuple(forms[at : at + len(phrase)]) == phrase:
                    found.append(Hit(words[at].begin, words[at + len(phrase) - 1].end, value))
                    step = len(phrase)
                    break
            at += step
        return tuple(found)
