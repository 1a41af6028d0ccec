"""Changes of level are found where they are, whatever the unit, and none where there is none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opensky_assets.benchmark.changes import change_points, ranks, separation

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.integers(8, 60), st.integers(8, 60), st.sampled_from([-1, 1]))
@settings(derandomize=True)
def test_a_clear_change_is_found_where_it_is(seed, before, after, direction):
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.uniform(0, 1, before), rng.uniform(2, 3, after)]) * direction
    found = change_points(values)
    assert found[0].index == before and found[0].p <= 0.005


@given(SEEDS, st.integers(10, 100))
@settings(derandomize=True)
def test_neither_unit_nor_zero_matters(seed, count):
    values = np.random.default_rng(seed).integers(0, 50, count).astype(float)
    values[count // 2 :] += 20
    assert change_points(values) == change_points(values * 1024) == change_points(values + 1024)


def test_noise_has_changes_no_more_often_than_the_level_says():
    rng = np.random.default_rng(3)
    found = sum(bool(change_points(rng.standard_cauchy(60), level=0.05)) for _ in range(200))
    assert found <= 22  # of 200 at 5 %: more has a chance of 0.1 %


def test_two_changes_are_found_and_a_short_one_is_none():
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.normal(0, 1, 40), rng.normal(9, 1, 30), rng.normal(0, 1, 50)])
    assert sorted(change.index for change in change_points(values)) == [40, 70]
    values = rng.normal(0, 1, 40)
    values[20:23] = 99
    assert change_points(values) == []


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 9, [1.0] * 200])
def test_too_few_or_equal_values_have_no_change(values):
    assert change_points(np.array(values)) == []


def test_equal_values_share_their_rank():
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1, 3.5, 2]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=9), st.lists(st.integers(0, 5), min_size=1, max_size=9))
def test_separation_counts_pairs(higher, lower):
    expected = np.mean([1.0 if a > b else 0.5 if a == b else 0.0 for a in higher for b in lower])
    found = separation(np.array(higher, dtype=float), np.array(lower, dtype=float))
    assert found == pytest.approx(expected)


def test_separation_of_no_pairs_is_not_a_number():
    assert np.isnan(separation(np.ones(2), np.ones(3), np.zeros((2, 3), dtype=bool)))
