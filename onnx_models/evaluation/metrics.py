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


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers whose confidence lies in one range: how sure they were, and how many were right."""

    low: float
    high: float
    answers: int
    confidence: float  # mean
    right: float  # share


def reliability(probability: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], bins: int = 10) -> list[Bin]:
    """Return the bins of equal width that hold an answer, lowest first: the reliability drawing as figures."""
    which = np.minimum((probability * bins).astype(int), bins - 1)
    return [
        Bin(b / bins, (b + 1) / bins, int((which == b).sum()), float(probability[which == b].mean()), float(right[which == b].mean()))
        for b in range(bins)
        if (which == b).any()
    ]
