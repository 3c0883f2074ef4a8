"""Code sets: which codes exist on a date, what they are called, and the notes of the tabular list.

Sources: ICD-10-CM tabular list and code list (CDC/NCHS and CMS); conventions I.A of the Official Guidelines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from cds_service.errors import NoCodeSetInForce

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"

# "(N18.-)", "(E08-E13)", "(I12.-, I13.-)": the codes that an instructional note names.
_REFERENCE = re.compile(r"\b([A-Z](?:\d[0-9A-Z]|A\d)(?:\.[0-9A-Z]{0,4})?)(?:-?\s*-\s*([A-Z](?:\d[0-9A-Z]|A\d)(?:\.[0-9A-Z]{0,4})?)-?)?")


_ELSEWHERE = re.compile(r"\bin (?:\w+ ){0,4}diseases classified elsewhere")


@dataclass(frozen=True, slots=True)
class CodeRange:
    """Codes that a note names: a code with all below it, or a span of categories."""

    first: str
    last: str

    def __contains__(self, code: str) -> bool:
        return code.startswith(self.first) or (self.first != self.last and self.first <= code and (code <= self.last or code.startswith(self.last)))


def references(note: str) -> tuple[CodeRange, ...]:
    """Return the codes that a note names in its parentheses.

    A reference that holds for some of the codes only ("T36-T50 with fifth or sixth character 5") gives none.
    """
    inside = " ".join(part for part in re.findall(r"\(([^()]*[A-Z]\d[^()]*)\)", note) if " with " not in part)
    return tuple(CodeRange(m[1].rstrip("."), (m[2] or m[1]).rstrip(".")) for m in _REFERENCE.finditer(inside))


@dataclass(frozen=True, slots=True)
class Entry:
    """One code of the tabular list with the notes that stand at it."""

    code: str
    title: str
    parent: str | None
    inclusion: tuple[str, ...] = ()
    excludes1: tuple[str, ...] = ()
    excludes2: tuple[str, ...] = ()
    code_first: tuple[str, ...] = ()
    use_additional: tuple[str, ...] = ()
    code_also: tuple[str, ...] = ()
    seventh: tuple[tuple[str, str], ...] = ()  # (character, meaning)


@dataclass(frozen=True, eq=False)
class CodeSet:
    """One release of ICD-10-CM. Immutable."""

    system: str
    version: str  # "2026-04-01"
    effective_from: date
    effective_to: date | None
    superseded_after: date | None  # the last day for which the publisher meant it; later dates want a newer release
    entries: Mapping[str, Entry]
    billable: frozenset[str]
    _children: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    _excludes: dict[str, tuple[CodeRange, ...]] = field(default_factory=dict, repr=False, compare=False)

    def in_force(self, on: date) -> bool:
        """Tell whether this release applies on a date."""
        return self.effective_from <= on and (self.effective_to is None or on <= self.effective_to)

    def is_valid(self, code: str) -> bool:
        """Tell whether `code` exists, billable or not."""
        return code in self.entries or code in self.billable

    def is_billable(self, code: str) -> bool:
        """Tell whether `code` may stand on a claim: complete to its last character."""
        return code in self.billable

    def stem(self, code: str) -> str:
        """Return `code` without 7th character and placeholders: the longest prefix the tabular list defines, or ''."""
        while code and code not in self.entries:
            code = code[:-1].rstrip(".")
        return code

    def title(self, code: str) -> str:
        """Return the title of `code`, with the meaning of its 7th character."""
        entry = self.entries.get(code)
        if entry:
            return entry.title
        stem = self.stem(code)
        meaning = dict(self.seventh(stem)).get(code[-1:], "")
        return f"{self.entries[stem].title}, {meaning}" if stem and meaning else self.entries[stem].title if stem else ""

    def children(self, code: str) -> tuple[str, ...]:
        """Return the codes directly below `code`, in order."""
        return self._children.get(code, ())

    def ancestors(self, code: str) -> Iterator[Entry]:
        """Yield the entry of `code` (or of its stem) and of everything above it up to the category."""
        at: str | None = self.stem(code)
        while at:
            yield self.entries[at]
            at = self.entries[at].parent

    def seventh(self, code: str) -> tuple[tuple[str, str], ...]:
        """Return the 7th characters that apply to `code`, with their meanings; empty where none is used."""
        return next((e.seventh for e in self.ancestors(code) if e.seventh), ())

    def excluded_with(self, code: str) -> tuple[CodeRange, ...]:
        """Return the codes that an Excludes1 note at `code` or above it forbids beside it."""
        if code not in self._excludes:
            self._excludes[code] = tuple(r for e in self.ancestors(code) for note in e.excludes1 for r in references(note))
        return self._excludes[code]

    def excludes1(self, one: str, other: str) -> bool:
        """Tell whether an Excludes1 note forbids the two codes together (convention I.A.12.a)."""
        return any(other in r for r in self.excluded_with(one)) or any(one in r for r in self.excluded_with(other))

    def is_manifestation(self, code: str) -> bool:
        """Tell whether `code` must follow another: its title says "in (other) diseases classified elsewhere" (convention I.A.13)."""
        return bool(_ELSEWHERE.search(self.title(code).lower()))


class CodeSets:
    """All releases at hand, by system."""

    def __init__(self, releases: Iterable[CodeSet]) -> None:
        self._releases = tuple(sorted(releases, key=lambda r: (r.system, r.effective_from)))

    def __iter__(self) -> Iterator[CodeSet]:
        return iter(self._releases)

    def in_force(self, system: str, on: date) -> CodeSet:
        """Return the release of `system` in force on a date. Raises NoCodeSetInForce."""
        for release in reversed(self._releases):
            if release.system == system and release.in_force(on):
                return release
        earliest = min((r.effective_from for r in self._releases if r.system == system), default=None)
        since = f" (the earliest at hand is in force from {earliest.isoformat()})" if earliest else ""
        message = f"No release of {system} is in force on {on.isoformat()}{since}."
        raise NoCodeSetInForce(message, "Give an encounter date inside a release, or import the official files of that year.")
