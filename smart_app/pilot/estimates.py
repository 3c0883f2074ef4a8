"""Estimates with 95 % confidence intervals. An encounter is the unit: codes of one encounter aren't independent of each other.

Sources: Wilson, J Am Stat Assoc 22 (1927) 209; Newcombe, Stat Med 17 (1998) 873, method 10; Korn and Graubard, Surv Methodol 24
(1998) 193 (the interval of a share with the effective sample size); Conover, Practical Nonparametric Statistics, 3.2 (quantiles);
Efron and Tibshirani, An Introduction to the Bootstrap, 13 (percentiles); Cohen, Educ Psychol Meas 20 (1960) 37 (kappa).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

import numpy as np
import numpy.typing as npt

_Z = NormalDist().inv_cdf(0.975)
_DRAWS = 1000
_SEED = 20261001  # the same figures are drawn for the same store

Table = tuple[int, int, int, int]  # both yes, only the first, only the second, both no
Resampled = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval; `low` and `high` are None where there is too little to say how sure it is."""

    value: float
    low: float | None
    high: float | None
    n: int  # what it is counted over: suggestions, queries, encounters


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between what a share lies, where the share itself would tell of a few patients."""

    low: float
    high: float
    n: int


def wilson(share: float, n: float) -> tuple[float, float]:
    """Return the score interval of a share that was seen over `n` independent units."""
    middle = (share + _Z * _Z / (2 * n)) / (1 + _Z * _Z / n)
    half = _Z * math.sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n)) / (1 + _Z * _Z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def share(counts: Sequence[tuple[int, int]]) -> Estimate | None:
    """Return the share of hits from (hits, of how many) of each encounter; None where there is nothing to count.

    The interval is Wilson's with the effective sample size: the number of units over the design effect, which is never taken
    as less than 1. Where all or none are hits the design effect is unknown, so that only encounters count.
    """
    counted = [(hits, of) for hits, of in counts if of]
    if not counted:
        return None
    hits, of, groups = sum(h for h, _ in counted), sum(m for _, m in counted), len(counted)
    p = hits / of
    effective = float(groups)
    if groups > 1 and 0 < p < 1:
        between = groups / (groups - 1) * sum((h - p * m) ** 2 for h, m in counted) / of**2
        effective = of / max(1.0, between / (p * (1 - p) / of))
    low, high = wilson(p, effective)
    return Estimate(p, low, high, of)


def difference_of_shares(before: Estimate, after: Estimate) -> Estimate | None:
    """Return after minus before with Newcombe's hybrid of the two intervals."""
    if before.low is None or before.high is None or after.low is None or after.high is None:
        return None
    d = after.value - before.value
    low = d - math.hypot(after.value - after.low, before.high - before.value)
    high = d + math.hypot(after.high - after.value, before.value - before.low)
    return Estimate(d, low, high, before.n + after.n)


def middle(values: Sequence[float], quantile: float = 0.5) -> Estimate | None:
    """Return a quantile of one value an encounter, with the interval between two of the values (order statistics)."""
    if not values:
        return None
    ranked = sorted(values)
    n = len(ranked)
    value = median(ranked) if quantile == 0.5 else ranked[min(n - 1, math.ceil(quantile * n) - 1)]
    spread = _Z * math.sqrt(n * quantile * (1 - quantile))
    first, last = math.floor(n * quantile - spread), math.ceil(n * quantile + spread)  # ranks from 1; 0 and n + 1: none
    if first < 1 or last > n - 1:
        return Estimate(value, None, None, n)
    return Estimate(value, ranked[first - 1], ranked[last], n)


def mean(values: Sequence[float]) -> Estimate | None:
    """Return the mean of one value an encounter, with percentiles of the bootstrap."""
    if not values:
        return None
    found = np.asarray(values, dtype=float)
    low, high = _percentiles(len(found), lambda picked: np.asarray(found[picked].mean(axis=1)))
    return Estimate(float(found.mean()), low, high, len(values))


def difference(before: Sequence[float], after: Sequence[float], *, of_medians: bool) -> Estimate | None:
    """Return after minus before of means or medians of one value an encounter, with percentiles of the bootstrap of both."""
    if not before or not after:
        return None
    one, two = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    statistic: Callable[..., Resampled] = np.median if of_medians else np.mean
    value = float(statistic(two)) - float(statistic(one))
    if min(len(one), len(two)) < 2:
        return Estimate(value, None, None, len(one) + len(two))
    draw = np.random.default_rng(_SEED)
    parts = [
        statistic(two[draw.integers(0, len(two), (size, len(two)))], axis=1) - statistic(one[draw.integers(0, len(one), (size, len(one)))], axis=1)
        for size in _batches(max(len(one), len(two)))
    ]
    drawn = np.concatenate(parts)
    return Estimate(value, float(np.percentile(drawn, 2.5)), float(np.percentile(drawn, 97.5)), len(one) + len(two))


def kappa(tables: Sequence[Table]) -> Estimate | None:
    """Return Cohen's kappa of two readers from the table of each encounter; None where chance alone would make them agree."""
    if not tables:
        return None
    cells = np.asarray(tables, dtype=float)
    value = float(_kappas(cells.sum(axis=0)[None, :])[0])
    if math.isnan(value):
        return None
    low, high = _percentiles(len(cells), lambda picked: _kappas(cells[picked].sum(axis=1)))
    return Estimate(value, low, high, int(cells.sum()))


def _kappas(tables: npt.NDArray[np.float64]) -> Resampled:
    total = tables.sum(axis=1)
    both, first, second, none = tables.T
    seen = (both + none) / total
    chance = ((both + first) * (both + second) + (none + second) * (none + first)) / total**2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(chance < 1, (seen - chance) / (1 - chance), np.nan))


def _percentiles(n: int, statistic: Callable[[npt.NDArray[np.intp]], Resampled]) -> tuple[float | None, float | None]:
    """Return the percentiles 2.5 and 97.5 of a statistic over encounters drawn with replacement; None for fewer than two encounters."""
    if n < 2:
        return None, None
    draw = np.random.default_rng(_SEED)
    parts = [statistic(draw.integers(0, n, (size, n))) for size in _batches(n)]
    drawn = np.concatenate(parts)
    drawn = drawn[~np.isnan(drawn)]
    if len(drawn) < _DRAWS / 2:
        return None, None
    return float(np.percentile(drawn, 2.5)), float(np.percentile(drawn, 97.5))


def _batches(n: int) -> list[int]:
    """Return how many draws to make at once, so that memory stays within some tens of megabytes."""
    size = max(1, min(_DRAWS, 2_000_000 // n))
    whole, rest = divmod(_DRAWS, size)
    return [size] * whole + ([rest] if rest else [])
