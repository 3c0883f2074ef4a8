"""The working sheet of a review: the codes that stand so far, and what was left out. Every change gives a new sheet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from cds_service.review.model import Alternative, Evidence, NotCoded, Rationale
from onnx_models.reading import Attributes


@dataclass(frozen=True, slots=True)
class Line:
    """One code that stands."""

    code: str
    confidence: float
    evidence: tuple[Evidence, ...]
    rationale: tuple[Rationale, ...]
    alternatives: tuple[Alternative, ...] = ()
    attributes: Attributes = field(default_factory=Attributes)
    telling: tuple[Evidence, ...] = ()  # of the evidence, the words that set this code apart: quoted first
    admission: str | None = None  # indicator "present on admission" of an inpatient's diagnosis, once the codes are settled


@dataclass(frozen=True, slots=True)
class Sheet:
    """Codes that stand, by code, and findings left out."""

    lines: Mapping[str, Line] = field(default_factory=dict)
    left_out: tuple[NotCoded, ...] = ()
    order: tuple[tuple[str, str], ...] = ()  # pairs of codes of which a guideline puts the first before the second

    def __contains__(self, code: str) -> bool:
        return code in self.lines

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines.values())

    def under(self, *prefixes: str) -> tuple[Line, ...]:
        """Return the lines whose code is, or lies below, one of `prefixes`."""
        return tuple(line for code, line in self.lines.items() if code.startswith(prefixes)) if self.has(*prefixes) else ()

    def has(self, *prefixes: str) -> bool:
        """Tell whether a code at or below one of `prefixes` stands."""
        written = written_codes(self.lines)
        return any(f"\n{prefix}" in written for prefix in prefixes)

    def with_line(self, line: Line) -> Sheet:
        """Return a sheet in which `line` stands, joined with what stood there for its code."""
        present = self.lines.get(line.code)
        return replace(self, lines={**self.lines, line.code: joined(present, line) if present else line})

    def replaced(self, line: Line) -> Sheet:
        """Return a sheet in which `line` stands in place of what stood there for its code."""
        return replace(self, lines={**self.lines, line.code: line})

    def without(self, code: str, *reasons: NotCoded) -> Sheet:
        """Return a sheet in which `code` doesn't stand; `reasons` are kept as left out."""
        return replace(self, lines={c: line for c, line in self.lines.items() if c != code}, left_out=(*self.left_out, *reasons))

    def with_left_out(self, reasons: Iterable[NotCoded]) -> Sheet:
        """Return a sheet with further findings left out."""
        return replace(self, left_out=(*self.left_out, *reasons))


def written_codes(codes: Iterable[str]) -> str:
    """Return codes as one text, each after a line break: whether a prefix stands there is one search, however many codes there are."""
    return "\n" + "\n".join(codes)


def joined(one: Line, other: Line) -> Line:
    """Return one line with the support of both: a code is reported once (guideline I.B.12)."""
    return Line(
        one.code,
        max(one.confidence, other.confidence),
        tuple(dict.fromkeys((*one.evidence, *other.evidence))),
        tuple(dict.fromkeys((*one.rationale, *other.rationale))),
        tuple(dict.fromkeys((*one.alternatives, *other.alternatives))),
        one.attributes if one.attributes != Attributes() else other.attributes,
        tuple(dict.fromkeys((*one.telling, *other.telling))),
    )
