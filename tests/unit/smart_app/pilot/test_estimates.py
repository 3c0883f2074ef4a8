"""Estimates against published values."""

from __future__ import annotations

import pytest

from smart_app.pilot.estimates import Estimate, difference, difference_of_shares, kappa, mean, middle, share, wilson


@pytest.mark.parametrize(("hits", "n", "low", "high"), [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)])
def test_wilson_as_published(hits: int, n: int, low: float, high: float) -> None:
    """Newcombe, Stat Med 17 (1998) 857, table I, method 3."""
    assert wilson(hits / n, n) == pytest.approx((low, high), abs=5e-5)


def test_the_difference_of_shares_as_published() -> None:
    """Newcombe, Stat Med 17 (1998) 873, table II, example (a), method 10: 56/70 - 48/80 is 0.2000 (0.0524 to 0.3339)."""
    first, second = (Estimate(h / n, *wilson(h / n, n), n) for h, n in ((48, 80), (56, 70)))
    found = difference_of_shares(first, second)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_one_code_an_encounter_is_plain_wilson() -> None:
    """Where every encounter has one code there is nothing to correct."""
    found = share([(1, 1)] * 81 + [(0, 1)] * 182)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=2e-3)
    assert found.n == 263


def test_codes_that_go_together_count_for_less() -> None:
    """Thirty encounters of ten codes, all or none accepted, say no more than thirty codes; spread evenly they never say more than 300."""
    together = share([(10, 10)] * 15 + [(0, 10)] * 15)
    even = share([(5, 10)] * 30)
    assert together is not None
    assert even is not None
    assert (together.low, together.high) == pytest.approx(wilson(0.5, 30), abs=0.01)
    assert (even.low, even.high) == pytest.approx(wilson(0.5, 300), abs=1e-9)
    all_hits = share([(10, 10)] * 30)
    assert all_hits is not None
    assert all_hits.low == pytest.approx(wilson(1.0, 30)[0])


def test_a_median_has_the_interval_of_its_ranks() -> None:
    """Conover: for 30 values the ranks 9 and 22 or wider; for five there is no interval."""
    found = middle([float(n) for n in range(1, 31)])
    assert found is not None
    assert (found.value, found.low, found.high) == (15.5, 9.0, 22.0)
    few = middle([1.0, 2.0, 3.0, 4.0])
    assert few is not None
    assert (few.value, few.low, few.high) == (2.5, None, None)


def test_means_and_their_difference_by_bootstrap() -> None:
    """The bootstrap's interval is near that of the normal distribution, and the same each time."""
    values = [float(n % 10) for n in range(400)]
    found = mean(values)
    assert found == mean(values)
    assert found is not None
    assert found.low == pytest.approx(4.5 - 1.96 * 2.872 / 20, abs=0.05)
    moved = difference(values, [v + 1 for v in values], of_medians=False)
    assert moved is not None
    assert moved.low is not None
    assert moved.high is not None
    assert moved.low < 1.0 < moved.high
    assert moved.high - moved.low == pytest.approx(2 * 1.96 * 2.872 * (2 / 400) ** 0.5, abs=0.1)


def test_kappa_as_defined() -> None:
    """Both yes 20, only one 5 and 10, both no 15: agreement 0.7, by chance 0.5, kappa 0.4. Readers who always agree on one answer have none."""
    found = kappa([(2, 0, 1, 1), (0, 1, 1, 2)] * 5 + [(10, 0, 0, 0)])
    assert found is not None
    assert found.value == pytest.approx(0.4)
    assert found.low is not None
    assert found.low < 0.4
    assert kappa([(5, 0, 0, 0)]) is None
    assert kappa([]) is None


def test_nothing_to_count_is_no_zero() -> None:
    """No queries sent is not a response rate of nought."""
    assert share([(0, 0), (0, 0)]) is None
    assert mean([]) is None
    assert middle([]) is None
