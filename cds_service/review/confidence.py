"""What a score of the engine is worth once the review has chosen: the share of codes suggested with that score that were right.

The engine's score is the chance that a candidate is right among all candidates of a note. The review then drops what is denied, integral, vaguer or of
another's history, so that what it suggests is right more often than its score says. The table is measured on the development splits by
`marginalia calibrate`: apart for notes and for short statements, and of these apart for codes that the engine knows by their names only.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cds_service.errors import RuleError
from onnx_models.reading import LONGEST_STATEMENT, Candidate, Mention

__all__ = ["Confidence", "Knots"]

Knots = tuple[tuple[float, float], ...]  # (score, share that was right), both rising from (0, 0) to (1, 1)
_PLAIN: Knots = ((0.0, 0.0), (1.0, 1.0))


@dataclass(frozen=True, slots=True)
class Confidence:
    """Straight lines between measured points, for short statements, for codes known by name only in these, and for notes."""

    statement: Knots = _PLAIN
    untaught: Knots = _PLAIN
    note: Knots = _PLAIN

    @classmethod
    def of(cls, table: Mapping[str, Sequence[Sequence[float]]]) -> Confidence:
        """Read `{statement = [[score, right], ...], untaught = [...], note = [...]}`.

        Raises:
            RuleError: the points don't rise from (0, 0) to (1, 1).
        """
        return cls(*(_knots(kind, table[kind]) for kind in ("statement", "untaught", "note")))

    def worth(self, score: float, length: int) -> float:
        """Return what a score of a taught code means in a text of `length` characters."""
        return _between(self._of(length, taught=True), score)

    def _of(self, length: int, *, taught: bool) -> Knots:
        if length > LONGEST_STATEMENT:
            return self.note
        return self.statement if taught else self.untaught

    def believed(self, mention: Mention, length: int) -> Mention:
        """Return a mention of a text of `length` characters with candidates scored by what their scores are worth."""
        if self.note is _PLAIN:
            return mention
        believed = [Candidate(c.code, _between(self._of(length, taught=c.taught), c.score), c.why, c.taught) for c in mention.candidates]
        candidates = tuple(sorted(believed, key=lambda c: (-c.score, c.code)))
        return Mention(
            mention.begin, mention.end, mention.text, mention.section, mention.sentence, mention.assertion, mention.attributes, candidates, mention.cue
        )


def _knots(kind: str, points: Sequence[Sequence[float]]) -> Knots:
    knots = tuple((float(score), float(right)) for score, right in points)
    rising = all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(knots))
    if len(knots) < 2 or knots[0] != (0.0, 0.0) or knots[-1] != (1.0, 1.0) or not rising:
        raise RuleError(f"The confidence table of {kind} doesn't rise from (0, 0) to (1, 1).", "Measure it again with `marginalia calibrate`.")
    return knots


def _between(knots: Knots, score: float) -> float:
    at = min(max(bisect_right(knots, (score, 2.0)), 1), len(knots) - 1)
    (x0, y0), (x1, y1) = knots[at - 1], knots[at]
    return round(y0 + (y1 - y0) * (min(max(score, x0), x1) - x0) / (x1 - x0), 4)
