"""Small cells: what stands for so few patients that it could identify one isn't told.

Rule: no number from 1 to 10 patients, and none from which such a number follows, is given out (CMS Cell Size Suppression Policy, which
the least cell of 11 comes from; a customer can ask for more). Who gets so little keeps its place as a bound.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Set
from dataclasses import dataclass
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Count:
    """A number that may be told, or the bounds that may be told in its place."""

    value: int | None
    words: str


def hidden(patients: int, least: int) -> bool:
    """Tell whether a cell stands for so few patients that it isn't told; an empty cell tells of nobody."""
    return 0 < patients < least


def part_of(part: int, whole: int, least: int) -> Count:
    """Return how a part of a known whole is told: neither it nor the rest may be a small cell."""
    if hidden(part, least):
        return Count(None, f"fewer than {least}")
    if hidden(whole - part, least):
        return Count(None, f"more than {whole - least}")
    return Count(part, str(part))


def cells(counts: Mapping[K, tuple[int, int]], least: int) -> dict[K, Count]:
    """Return how the (number, patients) of each cell of a table is told, where the table's sum is known.

    One small cell alone would follow from the sum and the others, so the smallest of these is hidden with it.
    """
    small = {key for key, (_, patients) in counts.items() if hidden(patients, least)}
    others = sorted((key for key in counts if key not in small and counts[key][0]), key=lambda key: counts[key])
    if others and small and sum(counts[key][1] for key in small) < least:
        small.add(others[0])
    words = f"fewer than {least}"
    return {key: Count(None, words if hidden(patients, least) else "not shown") if key in small else Count(n, str(n)) for key, (n, patients) in counts.items()}


def gathered(patients: Mapping[K, Set[str]], least: int) -> tuple[list[K], list[K]]:
    """Return which groups stand for themselves, the largest first, alike ones by name, and which are put together as others so that these are no small cell."""
    ranked = sorted(patients, key=lambda key: (-len(patients[key]), str(key)))
    alone = [key for key in ranked if len(patients[key]) >= least]
    others = [key for key in ranked if len(patients[key]) < least]
    while others and alone and len(frozenset().union(*(patients[key] for key in others))) < least:
        others.insert(0, alone.pop())
    return alone, others
