"""What kind of document a text is: a US clinical note, or a published case report.

The two are coded by different habits (a case report's coders give findings codes that a visit's coder leaves to the diagnosis),
so the ranker must know which it reads. A logistic model over hashed stems tells, trained with the other artefacts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from onnx_models.normalise import Token, stem_hash

BUCKETS = 1 << 14
_LEAST_TOKENS = 40  # a shorter text is a phrase or a part of a note


class Style:
    """Tells published case reports from clinical notes. Immutable."""

    def __init__(self, weights: npt.NDArray[np.float32], bias: float) -> None:
        self._weights = weights
        self._bias = bias

    @classmethod
    def load(cls, path: Path) -> Style:
        """Read the artefact."""
        with np.load(path) as file:
            return cls(file["weights"].astype(np.float32), float(file["bias"][0]))

    def of(self, stream: Sequence[Token]) -> float:
        """Return 1.0 for a clinical note and 0.0 for a published case report: the two values that the ranker was trained with."""
        if len(stream) < _LEAST_TOKENS:
            return 1.0
        columns = buckets(t.stem for t in stream)
        score = self._bias + float(self._weights[columns].sum()) / math.sqrt(len(columns))
        return 1.0 if score >= 0 else 0.0


def buckets(stems: Iterable[str]) -> list[int]:
    """Return the buckets of the distinct stems of a text, in order."""
    return sorted({stem_hash(s) % BUCKETS for s in stems})
