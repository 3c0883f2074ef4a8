"""Code sets: which codes exist on a date, what they are called, and the notes of the tabular list.

Sources: ICD-10-CM tabular list and code list (CDC/NCHS and CMS); conventions I.A of the Official Guidelines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from cds_service.errors import NoCodeSetInForce

if TYPE_CHECKING:
    from cds_service.review.procedures.tables import ProcedureTable

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10PCS = "http://www.cms.gov/Medicare/Coding/ICD10"

# "(N18.-)", "(E08-E13)", "(I12.-, I13.-)": the codes that an instructional note names.
_REFERENCE = re.compile(r"\b([A-Z](?:\d[0-9A-Z]|A\d)(?:\.[0-9A-Z]{0,4})?)(?:-?\s*-\s*([A-Z](?:\d[0-9A-Z]|A\d)(?:\.[0-9A-Z]{0,4})?)-?)?")

_MOST = 12  # successors that are named
_ELSEWHERE = re.compile(r"\bin (?:\w+ ){0,4}diseases classified elsewhere")


@dataclass(frozen=True, slots=True)
class CodeRange:
    """Codes that a note names: a code with all below it, or a span of categories."""

    first: str
    last: str

    def __contains__(self, code: str) -> bool:
        return code.startswith(self.first) or (self.first != self.last and self.first <= code and (code <= self.last or code.startswith(self.last)))


@lru_cache(maxsize=65536)
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


@dataclass(frozen=True, slots=True)
class Retired:
    """A code that ended: what takes its place, and who says so."""

    code: str
    title: str
    last_day: date
    successors: tuple[str, ...]  # codes of the release that asks; empty where none is known
    source: str  # "conversion table 2027", "same title in 2027"; "" where none is known

    def told(self) -> str:
        """Return what happened in words: "A99.1 ended on 2026-09-30. A99.2 takes its place (conversion table 2027)."."""
        if not self.successors:
            return f"{self.code} ended on {self.last_day.isoformat()}, and no successor is named."
        verb = "takes" if len(self.successors) == 1 else "take"
        return f"{self.code} ended on {self.last_day.isoformat()}. {', '.join(self.successors)} {verb} its place ({self.source})."


@dataclass(frozen=True, eq=False)
class CodeSet:
    """One release of a code system. Immutable."""

    system: str
    version: str  # "2026-04-01"
    effective_from: date
    effective_to: date | None
    superseded_after: date | None  # the last day for which the publisher meant it; later dates want a newer release
    entries: Mapping[str, Entry]
    billable: frozenset[str]
    _children: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)  # further names of codes, as the alphabetic index gives them
    conversions: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)  # code of earlier releases -> codes that take its place
    ends: Mapping[str, date] = field(default_factory=dict, repr=False)  # last day of codes that end before the release does
    retired: Mapping[str, Retired] = field(default_factory=dict, repr=False)  # codes of earlier releases that are none any more
    tables: Mapping[str, ProcedureTable] = field(default_factory=dict, repr=False)  # ICD-10-PCS: its tables by their three characters
    _excludes: dict[str, tuple[CodeRange, ...]] = field(default_factory=dict, repr=False, compare=False)
    _manifestations: dict[str, bool] = field(default_factory=dict, repr=False, compare=False)

    @property
    def year(self) -> str:
        """The year that the publisher names it by: the fiscal year of ICD-10, which begins in October, else the calendar year."""
        is_icd = self.system in (ICD10CM, ICD10PCS)
        return str(self.effective_from.year + (is_icd and self.effective_from.month >= 10))

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
        if code not in self._manifestations:
            self._manifestations[code] = bool(_ELSEWHERE.search(self.title(code).lower()))
        return self._manifestations[code]


class CodeSets:
    """All releases at hand, by system. Each ends the day before the next of its system begins, and knows what it no longer holds."""

    def __init__(self, releases: Iterable[CodeSet]) -> None:
        linked: list[CodeSet] = []
        for release in sorted(releases, key=lambda r: (r.system, r.effective_from)):
            if linked and linked[-1].system == release.system:
                before = linked[-1]
                linked[-1] = replace(before, effective_to=release.effective_from - timedelta(days=1))
                release = replace(release, retired=_retired(linked[-1], release))
            linked.append(release)
        self._releases = tuple(linked)

    def __iter__(self) -> Iterator[CodeSet]:
        return iter(self._releases)

    def of(self, system: str) -> tuple[CodeSet, ...]:
        """Return the releases of a system, the oldest first."""
        return tuple(r for r in self._releases if r.system == system)

    def named(self, system: str, name: str) -> CodeSet | None:
        """Return the release of a version ("2027") or the newest of a fiscal or calendar year; None where there is none."""
        releases = self.of(system)
        exact = [r for r in releases if r.version == name]
        return next(reversed(exact or [r for r in releases if r.year == name]), None)

    def in_force(self, system: str, on: date) -> CodeSet:
        """Return the release of `system` in force on a date. Raises NoCodeSetInForce."""
        for release in reversed(self._releases):
            if release.system == system and release.in_force(on):
                return release
        earliest = min((r.effective_from for r in self._releases if r.system == system), default=None)
        since = f" (the earliest at hand is in force from {earliest.isoformat()})" if earliest else ""
        message = f"No release of {system} is in force on {on.isoformat()}{since}."
        raise NoCodeSetInForce(message, "Give an encounter date inside a release, or import the official files of that year.")


def _retired(before: CodeSet, after: CodeSet) -> dict[str, Retired]:
    """Return the codes that a release no longer holds, those of all releases before it included."""
    gone = [c for c in (*before.entries, *(before.billable - before.entries.keys())) if not after.is_valid(c)]
    headings = [c for c in before.billable if after.is_valid(c) and not after.is_billable(c)]
    fresh = {after.title(c).lower(): c for c in (*after.entries, *after.billable) if not before.is_valid(c)}
    last = after.effective_from - timedelta(days=1)
    found: dict[str, Retired] = {}
    for code in gone:
        title = before.title(code)
        successors, source = _successors(code, title, after, fresh)
        found[code] = Retired(code, title, before.ends.get(code, last), successors, source)
    for code in headings:
        below = tuple(sorted(c for c in after.billable if c.startswith(code)))
        found[code] = Retired(code, before.title(code), last, below[:_MOST], f"codes below it in {after.version}")
    for code, old in before.retired.items():
        if not after.is_valid(code) and code not in found:
            chain = (found[c].successors if c in found else (c,) for c in old.successors)
            found[code] = replace(old, successors=tuple(dict.fromkeys(c for part in chain for c in part)))
    return found


def _successors(code: str, title: str, after: CodeSet, fresh: Mapping[str, str]) -> tuple[tuple[str, ...], str]:
    """Return what takes the place of a code: as published, else the new code of the same title."""
    published = tuple(c for c in after.conversions.get(code, ()) if after.is_valid(c))
    if published:
        return published, f"conversion table {after.version}"
    below = {after.stem(c) for old, new in after.conversions.items() if old.startswith(code) for c in new if after.is_valid(c)}
    if below:
        return tuple(sorted(below)), f"conversion table {after.version}"
    same = fresh.get(title.lower())
    return ((same,), f"same title in {after.version}") if same else ((), "")
