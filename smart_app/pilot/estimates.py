"""Estimates with 95 % confidence intervals. An encounter is the unit: codes of one encounter aren't independent of each other.

Sources: Wilson, J Am Stat Assoc 22 (1927) 209; Newcombe, Stat Med 17 (1998) 873, method 10; Korn and Graubard, Surv Methodol 24
(1998) 193 (the interval of a share with the effective sample size); Conover, Practical Nonparametric Statistics, 3.2 (quantiles);
Efron and Tibshirani, An Introduction to the Bootstrap, 13 (percentiles); Cohen, Educ Psychol Meas 20 (1960) 37 (kappa).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

import numpy as np
import numpy.typing as npt

_Z = NormalDist().inv_cdf(0.975)
_DRAWS = 2000
_SEED = 20261001  # the same figures are drawn for the same store

Table = tuple[int, int, int, int]  # both yes, only the first, only the second, both no
Numbers = npt.NDArray[np.float64]


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
    low, high = _percentiles(_means(values, np.random.default_rng(_SEED))) if len(values) > 1 else (None, None)
    return Estimate(float(np.mean(values)), low, high, len(values))


def difference(before: Sequence[float], after: Sequence[float], *, of_medians: bool) -> Estimate | None:
    """Return after minus before of means or medians of one value an encounter, with percentiles of the bootstrap of both."""
    if not before or not after:
        return None
    value = float(np.median(after) - np.median(before)) if of_medians else float(np.mean(after) - np.mean(before))
    low, high = None, None
    if min(len(before), len(after)) > 1:
        draw, drawn = np.random.default_rng(_SEED), _medians if of_medians else _means
        low, high = _percentiles(drawn(after, draw) - drawn(before, draw))
    return Estimate(value, low, high, len(before) + len(after))


def kappa(tables: Sequence[Table]) -> Estimate | None:
    """Return Cohen's kappa of two readers from the table of each encounter; None where chance alone would make them agree."""
    if not tables:
        return None
    cells = np.asarray(tables, dtype=float)
    value = float(_kappas(cells.sum(axis=0)[None, :])[0])
    if math.isnan(value):
        return None
    low, high = _percentiles(_kappas(_sums(cells, np.random.default_rng(_SEED)))) if len(cells) > 1 else (None, None)
    return Estimate(value, low, high, int(cells.sum()))


def _kappas(tables: Numbers) -> Numbers:
    total = tables.sum(axis=1)
    both, first, second, none = tables.T
    seen = (both + none) / total
    chance = ((both + first) * (both + second) + (none + second) * (none + first)) / total**2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(chance < 1, (seen - chance) / (1 - chance), np.nan))


def _sums(rows: Numbers, draw: np.random.Generator) -> Numbers:
    """Return the sum of the rows of each bootstrap sample: how often each different row is drawn is multinomial."""
    different, times = np.unique(rows, axis=0, return_counts=True)
    return np.asarray(draw.multinomial(len(rows), times / len(rows), _DRAWS) @ different)


def _means(values: Sequence[float], draw: np.random.Generator) -> Numbers:
    """Return the mean of each bootstrap sample."""
    return _sums(np.asarray(values, dtype=float)[:, None], draw)[:, 0] / len(values)


def _medians(values: Sequence[float], draw: np.random.Generator) -> Numbers:
    """Return the median of each bootstrap sample, without drawing the samples.

    A sample is n uniform numbers that pick among the ranked values. Their middle one (the lower middle, of an even number) has a beta
    distribution, and the next above it is the smallest of those that lie higher.
    """
    ranked = np.sort(np.asarray(values, dtype=float))
    n, middle_rank = len(ranked), (len(ranked) + 1) // 2
    lower = draw.beta(middle_rank, n - middle_rank + 1, _DRAWS)
    picked = np.asarray(ranked[(lower * n).astype(int)])
    if n % 2:
        return picked
    upper = lower + (1 - lower) * draw.beta(1, n - middle_rank, _DRAWS)
    return np.asarray((picked + ranked[np.minimum((upper * n).astype(int), n - 1)]) / 2)


def _percentiles(drawn: Numbers) -> tuple[float | None, float | None]:
    """Return the percentiles 2.5 and 97.5 of what was drawn; None where half of it says nothing."""
    told = drawn[~np.isnan(drawn)]
    if len(told) < _DRAWS / 2:
        return None, None
    return float(np.percentile(told, 2.5)), float(np.percentile(told, 97.5))
