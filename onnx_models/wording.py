"""How far the words of a code's title are the words of the note: what tells a code that says more than was documented."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from onnx_models.normalise import Token, stem_hash


@dataclass(frozen=True, slots=True)
class Overlap:
    """Shares of weighted stems, each in [0, 1]."""

    title_in_span: float  # of the title, the part that stands in the span
    title_in_sentence: float
    title_in_note: float
    span_in_title: float  # of the span, the part that stands in the title


class Titles:
    """The stems of the titles of all concepts, as hashes, weighted by rarity. Immutable."""

    def __init__(self, arrays: dict[str, npt.NDArray[np.generic]]) -> None:
        self._id = {int(h): i for i, h in enumerate(arrays["vocabulary"])}
        self._weight = [float(w) for w in arrays["weight"]]
        bounds = arrays["first"].tolist()
        stems = arrays["stems"].tolist()
        self._stems: list[tuple[int, ...]] = [tuple(stems[a:b]) for a, b in pairwise(bounds)]

    @classmethod
    def load(cls, path: Path) -> Titles:
        """Read the artefact."""
        with np.load(path) as file:
            return cls({name: file[name] for name in file.files})

    def words(self, tokens: Iterable[Token]) -> list[int]:
        """Return the numbers of the stems of tokens; -1 for a stem that no title holds."""
        return [self._id.get(stem_hash(t.stem), -1) for t in tokens]

    def overlap(self, concept: int, span: Sequence[int], sentence: set[int], note: set[int]) -> Overlap:
        """Compare the title of `concept` (row) with the stems of a span, of its sentence and of the note."""
        title = self._stems[concept]
        weight = self._weight
        total = sum(weight[s] for s in title) or 1.0
        inside = set(span)
        known = sum(weight[s] for s in inside if s >= 0) + sum(s < 0 for s in span) * self._weight[0]
        shared = sum(weight[s] for s in title if s in inside)
        return Overlap(
            shared / total,
            sum(weight[s] for s in title if s in sentence) / total,
            sum(weight[s] for s in title if s in note) / total,
            shared / known if known else 0.0,
        )
