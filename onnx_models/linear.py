"""Logistic models over hashed features: small, exact to explain, and fast enough to be asked about every phrase."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from onnx_models.normalise import stem_hash


class LinearModel:
    """A logistic model of distinct features, each text of length one. Immutable."""

    def __init__(self, weights: npt.NDArray[np.floating], bias: float) -> None:
        self._weights: list[float] = weights.astype(np.float64).tolist()  # single look-ups: a list is faster
        self._bias = bias
        self._size = len(self._weights)

    @classmethod
    def load(cls, path: Path) -> LinearModel:
        """Read the artefact."""
        with np.load(path) as file:
            return cls(file["weights"], float(file["bias"][0]))

    def score(self, features: Iterable[str]) -> float:
        """Return the log odds."""
        columns = buckets(features, self._size)
        return self._bias + sum(self._weights[c] for c in columns) / math.sqrt(len(columns) or 1)

    def probability(self, features: Iterable[str]) -> float:
        """Return the probability."""
        return 1 / (1 + math.exp(-self.score(features)))


def buckets(features: Iterable[str], size: int) -> Collection[int]:
    """Return the buckets of the distinct features of a text."""
    return {stem_hash(f) % size for f in features}
