"""A benchmark that became slower is told from noise; the curve over files tells start, cost a file and excess."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensky_assets.benchmark.curve import fit_curve
from opensky_assets.benchmark.regression import compare, rank_sum_p

FEW = st.lists(st.integers(0, 9).map(float), min_size=1, max_size=5)


@given(FEW, FEW)
def test_the_rank_sum_is_what_counting_all_orders_gives(higher, lower):
    won = sum(a > b for a in higher for b in lower)
    places = range(len(higher) + len(lower))
    as_good = orders = 0
    for chosen in combinations(places, len(higher)):
        wins = sum(place > other for place in chosen for other in places if other not in chosen)
        as_good += wins >= won
        orders += 1
    assert rank_sum_p(higher, lower) == pytest.approx(as_good / orders)


def test_twice_as_slow_is_a_regression_and_says_so():
    found = compare([20.1, 20.4, 19.9], [10.0, 10.2, 9.9])
    assert found is not None and found.p == pytest.approx(0.05)
    assert str(found) == "20.1 where it was 10, +101% (chance alone: p = 0.050)"


@pytest.mark.parametrize(
    ("now", "before"),
    [
        pytest.param([10.0, 10.2, 9.9], [20.1, 20.4, 19.9], id="faster"),
        pytest.param([10.6, 10.7, 10.8], [10.0, 10.1, 10.2], id="by 6 % only"),
        pytest.param([13.0, 9.0, 18.0], [10.0, 14.0, 7.0], id="noisy"),
        pytest.param([12.0, 12.1, 30.0], [10.0, 11.9, 8.2, 13.0], id="within three spreads"),
        pytest.param([20.0], [10.0, 10.1], id="too few"),
        pytest.param([], [10.0], id="nothing new"),
        pytest.param([10.0], [], id="no history"),
    ],
)
def test_what_is_no_regression(now, before):
    assert compare(now, before) is None


def test_noise_alone_is_hardly_ever_a_regression():
    rng = np.random.default_rng(1)
    found = [compare(rng.lognormal(0, 0.1, 5).tolist(), rng.lognormal(0, 0.1, 10).tolist()) for _ in range(500)]
    assert sum(one is not None for one in found) <= 2


@given(st.integers(0, 20), st.integers(1, 50), st.sampled_from([2.0, 0.5, 1.0]))
def test_a_line_is_recovered(start, per_file, scale):
    curve = fit_curve([(files, scale * (start + per_file * files)) for files in (5, 10, 25, 50)])
    assert curve.start_s == pytest.approx(scale * start, abs=1e-9) and curve.per_file_s == pytest.approx(
        scale * per_file
    )
    assert curve.excess_s == pytest.approx(0, abs=1e-6) and curve.at(100) == pytest.approx(
        scale * (start + 100 * per_file)
    )


def test_one_disturbed_run_does_not_bend_the_line():
    points = [(files, 2 + 0.5 * files + 0.01 * n) for files in (5, 10, 25, 50) for n in range(3)]
    points[4] = (10, 60.0)
    curve = fit_curve(points)
    assert curve.per_file_s == pytest.approx(0.5, rel=0.02) and curve.start_s == pytest.approx(2, abs=0.1)


def test_what_the_largest_run_takes_beyond_the_line_is_its_excess():
    curve = fit_curve([(5, 3.0), (10, 4.0), (25, 7.0), (50, 32.0)])
    assert curve.excess_s == pytest.approx(20)
    assert str(curve) == (
        "runs of several sizes: 2.0 s to start and 0.2 s a file; the largest took 20.0 s more than the smaller ones "
        "foretell"
    )
    assert fit_curve([(5, 3.0), (10, 4.0)]).excess_s is None


def test_a_curve_needs_two_sizes():
    with pytest.raises(ValueError, match="two sizes"):
        fit_curve([(5, 3.0), (5, 3.1)])
