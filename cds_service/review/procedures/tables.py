"""Tables of ICD-10-PCS: what each axis may be, and which combinations a row allows.

A code is three characters that name a table (section, body system, root operation) and four that a row of it allows (body part, approach, device,
qualifier). Source: CMS, ICD-10-PCS Official Guidelines, conventions A1 to A9: "the combination of all axis values must be in one row".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Axis(IntEnum):
    """The four axes that a row decides, by their place in `ProcedureTable.labels` and in the rest of a code."""

    PART = 0
    APPROACH = 1
    DEVICE = 2
    QUALIFIER = 3

    @property
    def words(self) -> str:
        """What the axis is called."""
        return ("body part", "approach", "device", "qualifier")[self]


NONE = "Z"  # "No Device", "No Qualifier"
Wanted = tuple[Collection[str] | None, ...]  # values allowed for each axis; None where any is


@dataclass(frozen=True, eq=False)
class ProcedureTable:
    """One table of a release. Immutable."""

    stem: str  # "0FT"
    section: str  # "Medical and Surgical"
    system: str  # "Hepatobiliary System and Pancreas"
    operation: str  # "Resection"
    labels: tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str], Mapping[str, str]]  # value -> label, by Axis
    rests: frozenset[str]  # "44ZZ": the last four characters of every code that a row allows
    _ordered: tuple[str, ...] = field(init=False, repr=False, default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ordered", tuple(sorted(self.rests)))

    def built(self, wanted: Wanted) -> tuple[str, ...]:
        """Return the codes whose axes are all among the values wanted, in order."""
        asked = [(at, w) for at, w in enumerate(wanted) if w is not None]
        return tuple(self.stem + rest for rest in self._ordered if not asked or all(rest[at] in w for at, w in asked))

    def values(self, axis: Axis, wanted: Wanted) -> tuple[str, ...]:
        """Return the values that an axis takes among the codes that are wanted, in order."""
        return tuple(sorted({code[3 + axis] for code in self.built(wanted)}))

    def label(self, axis: Axis, value: str) -> str:
        """Return what a value is called; the value itself where the table has no words for it."""
        return self.labels[axis].get(value, value)

    def title(self, code: str) -> str:
        """Return a title put together from the axes, where the release gives none."""
        part, approach, device, qualifier = (self.label(axis, code[3 + axis]) for axis in Axis)
        more = "".join(f", {w}" for w in (device, qualifier) if not w.startswith("No "))
        return f"{self.operation} of {part}{more}, {approach} Approach"


def tables_of(rows: Iterable[tuple[str, tuple[str, str, str], tuple[str, str, str, str]]]) -> dict[str, ProcedureTable]:
    """Return the tables by stem.

    Args:
        rows: code, labels of section, body system and root operation, and labels of the four other axes.
    """
    heads: dict[str, tuple[str, str, str]] = {}
    labels: dict[str, tuple[dict[str, str], dict[str, str], dict[str, str], dict[str, str]]] = {}
    rests: dict[str, set[str]] = {}
    for code, head, words in rows:
        stem, rest = code[:3], code[3:]
        if stem not in heads:
            heads[stem], labels[stem], rests[stem] = head, ({}, {}, {}, {}), set()
        for named, value, word in zip(labels[stem], rest, words, strict=True):
            if value not in named:
                named[value] = word
        rests[stem].add(rest)
    return {stem: ProcedureTable(stem, *head, labels[stem], frozenset(rests[stem])) for stem, head in heads.items()}


def differing(codes: Iterable[str]) -> Iterator[Axis]:
    """Yield the axes in which codes of one table differ."""
    given = tuple(codes)
    yield from (axis for axis in Axis if len({c[3 + axis] for c in given}) > 1)
