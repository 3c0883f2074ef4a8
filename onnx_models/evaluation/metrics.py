"""Metrics of document coding: micro precision, recall and F1, mean average precision, calibration error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Score:
    """Micro-averaged precision, recall and F1 over (document, code) pairs."""

    precision: float
    recall: float
    f1: float


def micro(predicted: Mapping[str, set[str]], gold: Mapping[str, set[str]]) -> Score:
    """Compare sets of codes by document; a document without prediction counts with all its gold missed."""
    hits = sum(len(predicted.get(d, set()) & codes) for d, codes in gold.items())
    said, wanted = sum(len(predicted.get(d, set())) for d in gold), sum(map(len, gold.values()))
    precision, recall = hits / said if said else 0.0, hits / wanted if wanted else 0.0
    return Score(precision, recall, 2 * precision * recall / (precision + recall) if hits else 0.0)


def average_precision(ranked: Sequence[str], gold: set[str]) -> float:
    """Return the average precision of one ranked list; codes that are never listed count as missed."""
    hits, total = 0, 0.0
    for place, code in enumerate(ranked, 1):
        if code in gold:
            hits += 1
            total += hits / place
    return total / len(gold) if gold else 0.0


def calibration_error(probability: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], bins: int = 15) -> float:
    """Return the expected calibration error: mean gap between confidence and accuracy over equal-width bins."""
    which = np.minimum((probability * bins).astype(int), bins - 1)
    return float(sum(abs(probability[which == b].mean() - right[which == b].mean()) * (which == b).mean() for b in range(bins) if (which == b).any()))
