from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opensky_assets.report.geo import (
    EARTH_RADIUS_KM,
    REGIONS,
    Region,
    clip,
    cut,
    great_circle,
    make_view,
    shifted,
    thinned,
)
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


BOX = (-1.0, 2.0, -3.0, 1.0)
places = st.tuples(st.floats(-5, 5), st.floats(-5, 5))


@settings(max_examples=50, deadline=None)
@given(st.lists(places, min_size=2, max_size=6))
def test_what_is_cut_off_at_a_box_is_outside_of_it(points: list[tuple[float, float]]) -> None:
    line = np.array(points)
    parts = clip(line, BOX)
    for part in parts:
        assert len(part) >= 2
        assert (part >= [BOX[0] - 1e-9, BOX[2] - 1e-9]).all() and (part <= [BOX[1] + 1e-9, BOX[3] + 1e-9]).all()
    # As much of the line is within the box as the parts are long, measured in small steps.
    steps = np.linspace(0, 1, 400)[:, None]
    inside = 0.0
    for one, other in pairwise(line):
        walked = one + steps * (other - one)
        middle = (walked[1:] + walked[:-1]) / 2
        within = (middle >= [BOX[0], BOX[2]]).all(axis=1) & (middle <= [BOX[1], BOX[3]]).all(axis=1)
        inside += float(within.mean() * np.hypot(*(other - one)))
    whole = float(np.hypot(*np.diff(line, axis=0).T).sum())
    drawn = sum(float(np.hypot(*np.diff(part, axis=0).T).sum()) for part in parts)
    assert drawn == pytest.approx(inside, abs=0.01 * whole + 1e-9)


def test_a_thinned_arc_is_nowhere_far_from_the_arc() -> None:
    angles = np.linspace(0, np.pi, 500)
    arc = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    kept = thinned(arc, 0.01)
    assert (kept[0] == arc[0]).all() and (kept[-1] == arc[-1]).all() and len(kept) < 30
    halves = (kept[1:] + kept[:-1]) / 2  # where a chord is furthest from the arc
    assert (1 - np.hypot(*halves.T)).max() <= 0.0101
    straight = np.stack([np.linspace(0, 1, 50), np.linspace(0, 2, 50)], axis=1)
    assert len(thinned(straight, 0.01)) == 2


@pytest.mark.parametrize("region", REGIONS, ids=[region.name for region in REGIONS])
def test_a_region_has_its_corners_and_the_shape_of_an_inset(region: Region) -> None:
    view = region.view()
    assert view.aspect == pytest.approx(1.45)
    for lon in (region.west, region.east):
        for lat in (region.south, region.north):
            assert view.holds(np.array([lon, lat]))
