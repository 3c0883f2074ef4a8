"""Comparison of two releases: what was added, deleted and revised."""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.review.codeset import CodeSet, CodeSets


@dataclass(frozen=True, slots=True)
class Difference:
    """One code that differs."""

    code: str
    title: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Complete codes that differ, in order of code."""

    added: tuple[Difference, ...]
    deleted: tuple[Difference, ...]
    revised: tuple[Difference, ...]


def compared(one: CodeSet, other: CodeSet) -> Comparison:
    """Return how `other` differs from `one`, which may be the later release too."""
    later = other if one.effective_from <= other.effective_from else one
    retired = next(r for r in CodeSets((one, other)) if r.effective_from == later.effective_from).retired if one is not other else {}
    added = tuple(Difference(c, other.title(c)) for c in sorted(other.billable - one.billable))
    deleted = tuple(Difference(c, one.title(c), retired[c].told() if later is other and c in retired else "") for c in sorted(one.billable - other.billable))
    both = sorted(one.billable & other.billable)
    revised = tuple(Difference(c, other.title(c), f"was: {one.title(c)}") for c in both if one.title(c) != other.title(c))
    return Comparison(added, deleted, revised)
