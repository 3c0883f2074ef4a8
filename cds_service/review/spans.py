"""Spans: sets of codes as notes of the tabular list name them, asked many times in one review and therefore prepared once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache

from cds_service.review.codeset import CodeRange, CodeSet, references


class Spans:
    """Codes below any of some codes, or within any of some ranges. False where it names none."""

    __slots__ = ("_prefixes", "_ranges", "heads")

    def __init__(self, ranges: Iterable[CodeRange], categories: Sequence[str] = ()) -> None:
        """Prepare what notes name. `categories`: those of the release in order, of which `heads` keeps the ones that may hold a code of these spans."""
        given = tuple(ranges)
        self.heads = frozenset(c for r in given for c in categories[bisect_left(categories, r.first[:3]) : bisect_right(categories, r.last[:3])])
        self._prefixes = tuple(r.first for r in given if r.first == r.last)
        self._ranges = tuple((r.first, r.last) for r in given if r.first != r.last)

    def __contains__(self, code: str) -> bool:
        if code.startswith(self._prefixes):
            return True
        for first, last in self._ranges:  # noqa: SIM110 (a plain loop: asked for every pair of codes of a review)
            if first <= code and (code <= last or code.startswith(last)):
                return True
        return False

    def __bool__(self) -> bool:
        return bool(self._prefixes or self._ranges)


@lru_cache(maxsize=16)
def _categories(codes: CodeSet) -> tuple[str, ...]:
    return tuple(sorted({code[:3] for code in codes.entries}))


@lru_cache(maxsize=16384)
def forbidden(codes: CodeSet, code: str) -> Spans:
    """Return what an Excludes1 note at `code`, or above it, forbids beside it (convention I.A.12.a)."""
    return _prepared(codes, tuple(note for e in codes.ancestors(code) for note in e.excludes1))


@lru_cache(maxsize=16384)
def _prepared(codes: CodeSet, notes: tuple[str, ...]) -> Spans:
    """Return what notes name. Codes below one category share most notes, and so the spans."""
    return Spans((r for note in notes for r in references(note)), _categories(codes))


@lru_cache(maxsize=16384)
def coded_first(codes: CodeSet, code: str) -> Spans:
    """Return what a note "code first" at `code`, or above it, puts before it."""
    return _prepared(codes, tuple(note for e in codes.ancestors(code) for note in e.code_first))


@lru_cache(maxsize=16384)
def coded_after(codes: CodeSet, code: str) -> Spans:
    """Return what a note "use additional code" at `code`, or above it, puts after it."""
    return _prepared(codes, tuple(note for e in codes.ancestors(code) for note in e.use_additional))


@lru_cache(maxsize=16384)
def coded_also(codes: CodeSet, code: str) -> Spans:
    """Return what a note "code also" at `code`, or above it, names beside it, in either order (convention I.A.17)."""
    return _prepared(codes, tuple(note for e in codes.ancestors(code) for note in e.code_also))


def forbidden_pairs(codes: CodeSet, claim: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the pairs of a claim that an Excludes1 note of either code forbids, in the order of the claim, each once."""
    ordered = list(dict.fromkeys(claim))
    near: dict[str, list[tuple[int, str]]] = {}
    for at, code in enumerate(ordered):
        near.setdefault(code[:3], []).append((at, code))
    pairs: set[tuple[int, int]] = set()
    for at, code in enumerate(ordered):
        spans = forbidden(codes, code)
        for head in spans.heads & near.keys():
            pairs.update((min(at, place), max(at, place)) for place, other in near[head] if place != at and other in spans)
    return tuple((ordered[a], ordered[b]) for a, b in sorted(pairs))
