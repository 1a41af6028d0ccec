from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensky_assets.report.geo import EARTH_RADIUS_KM, cut, great_circle, make_view, shifted
from opensky_assets.report.outlines import outlines

longitudes = st.floats(-180, 180)
latitudes = st.floats(-90, 90)


def unit(point: np.ndarray) -> np.ndarray:
    lon, lat = np.radians(point)
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def arc_km(one: np.ndarray, other: np.ndarray) -> float:
    a, b = unit(one), unit(other)
    return float(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)) * EARTH_RADIUS_KM


@given(longitudes, latitudes, longitudes, latitudes)
def test_a_great_circle_is_the_shortest_way_in_even_steps(lon1: float, lat1: float, lon2: float, lat2: float) -> None:
    way = great_circle(lon1, lat1, lon2, lat2)
    ends = np.array([[lon1, lat1], [lon2, lat2]])
    assert np.isfinite(way).all()
    assert arc_km(way[0], ends[0]) < 1e-3
    assert arc_km(way[-1], ends[1]) < 1
    assert sum(arc_km(a, b) for a, b in pairwise(way)) == pytest.approx(arc_km(*ends), abs=1)
    assert np.abs(np.diff(way[:-1, 0])).max(initial=0) <= 180.001


def test_london_to_los_angeles_goes_far_north() -> None:
    way = great_circle(-0.46, 51.47, -118.41, 33.94)
    assert way[:, 1].max() == pytest.approx(62.26, abs=0.05)


def test_over_the_edge_of_a_world_map_a_way_goes_on_at_the_other_side() -> None:
    way = great_circle(151.18, -33.95, -118.41, 33.94)
    view = make_view([way, great_circle(-0.46, 51.47, 55.36, 25.25)], 1.7, 2.3)
    assert view.world
    east, west = cut(way, view)
    assert (east[-1, 0], west[0, 0]) == (180.0, -180.0)
    assert east[-1, 1] == pytest.approx(west[0, 1])
    assert east[:, 0].min() > 100 and west[:, 0].max() < -100


def test_a_region_over_the_edge_is_shown_in_one_piece() -> None:
    view = make_view([great_circle(174.79, -37.01, -149.61, -17.55)], 0.9, 1.3)
    left, right, _, _ = view.bounds
    assert not view.world
    assert 0.9 <= view.aspect <= 1.31
    aucklands = [view.project(copy)[0] for copy in shifted(np.array([[174.79, -37.01]]), view)]
    assert sum(left <= x <= right for x, _ in aucklands) == 1


@pytest.mark.parametrize("ways", [[], [great_circle(8.55, 47.45, 8.55, 47.45)]], ids=["none", "one spot"])
def test_a_map_of_nothing_much_still_has_an_extent(ways: list[np.ndarray]) -> None:
    left, right, bottom, top = make_view(ways, 1.7, 2.3).bounds
    assert right - left > 0.01 and top - bottom > 0.01


def test_the_outlines_are_within_the_world_and_jump_nowhere() -> None:
    lines = outlines()
    assert len(lines.land) > 100 and len(lines.borders) > 300
    for line in (*lines.land, *lines.borders):
        assert np.abs(line[:, 0]).max() <= 180 and np.abs(line[:, 1]).max() <= 90
        jumps = np.abs(np.diff(line[:, 0]))
        assert jumps[line[:-1, 1] > -84].max(initial=0) < 90  # but for the edge of Antarctica, below every map
