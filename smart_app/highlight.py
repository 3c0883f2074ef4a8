"""Highlights on a note: cuts its text into lines and segments, each with the statements that rest on it.

The segments of a note, joined, are the note character for character. Overlapping excerpts are cut where they begin and
end, so that words which support two codes say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

# A heading of running text: a short line in capitals, or words before a colon at the beginning of a line.
_HEADING = re.compile(r"^[ \t]*(?:[A-Z][A-Z0-9 /&,.'()\-]{2,60}:?[ \t]*$|[A-Z][A-Za-z0-9 /&,'()\-]{1,48}:(?=\s|$))")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Words of a note and what rests on them. Offsets count Unicode code points of the note's text."""

    id: str  # anchor on the page
    begin: int
    end: int
    manner: str  # "affirmed", "possible", "hypothetical", "negated", "historical", "family"; "left": affirmed, not coded
    targets: tuple[str, ...]  # anchors of the codes, queries and findings left out that rest on it
    labels: tuple[str, ...]  # their codes, to show in the margin


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of text in which nothing begins or ends."""

    text: str
    excerpts: tuple[Excerpt, ...] = ()
    starts: tuple[str, ...] = ()  # anchors of the excerpts that begin here
    heading: bool = False
    continues: bool = False  # the words right before are said in the same manner: the sign for it isn't repeated

    @property
    def targets(self) -> tuple[str, ...]:
        """Anchors of everything that rests on these words."""
        return tuple(dict.fromkeys(t for e in self.excerpts for t in e.targets))

    @property
    def manner(self) -> str:
        """How the words are said; the innermost excerpt decides."""
        return min(self.excerpts, key=lambda e: e.end - e.begin).manner if self.excerpts else ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the note; `labels` are the codes whose words begin on it."""

    segments: tuple[Segment, ...]
    labels: tuple[tuple[str, str, str], ...] = ()  # (code, anchor of the excerpt, manner)

    @property
    def heading(self) -> bool:
        """True where the line begins a section."""
        return bool(self.segments) and self.segments[0].heading


def lines(text: str, excerpts: Sequence[Excerpt], headings: Iterable[int] = ()) -> tuple[Line, ...]:
    """Return the lines of a note. `headings` are offsets at which a section declared by the source begins."""
    declared = set(headings)
    ordered = sorted(excerpts, key=lambda e: (e.begin, -e.end))
    found: list[Line] = []
    begin = 0
    for piece in text.splitlines(keepends=True):
        end = begin + len(piece)
        here = [e for e in ordered if e.begin < end and e.end > begin]
        found.append(_line(text, begin, end, here, starts_section=begin in declared))
        begin = end
    return tuple(found)


def _line(text: str, begin: int, end: int, excerpts: Sequence[Excerpt], *, starts_section: bool) -> Line:
    heading = _heading_end(text[begin:end], starts_section) + begin
    cuts = {begin, end} | ({heading} if heading > begin else set())
    cuts |= {p for e in excerpts for p in (e.begin, e.end) if begin < p < end}
    points = sorted(cuts)
    segments: list[Segment] = []
    for left, right in pairwise(points):
        over = tuple(e for e in excerpts if e.begin <= left and e.end >= right)
        starts = tuple(e.id for e in over if e.begin == left)
        manner = Segment("", over).manner
        segments.append(Segment(text[left:right], over, starts, right <= heading, bool(segments) and segments[-1].manner == manner))
    labels: dict[str, tuple[str, str, str]] = {}
    for excerpt in excerpts:
        if begin <= excerpt.begin < end:
            for label in excerpt.labels:
                labels.setdefault(label, (label, excerpt.id, excerpt.manner))
    return Line(tuple(segments), tuple(labels.values()))


def _heading_end(line: str, starts_section: bool) -> int:
    match = _HEADING.match(line)
    if match:
        return match.end()
    return len(line.rstrip()) if starts_section and len(line.strip()) <= 60 else 0
