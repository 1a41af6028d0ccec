"""Great circles and the map's projections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EARTH_RADIUS_KM = 6371.0088
Bounds = tuple[float, float, float, float]
"""Left, right, bottom, top, in map units."""

WORLD_SPAN = 150.0
"""Degrees of longitude from which on a map shows the whole world's width."""


def great_circle(lon1: float, lat1: float, lon2: float, lat2: float, step_km: float = 150.0) -> np.ndarray:
    """Points (longitude, latitude) in degrees along the shortest way, both ends included.

    Longitudes run on over ±180 rather than jump. Of two opposite points any way is the shortest: one is taken.
    """
    ends = np.radians([[lon1, lat1], [lon2, lat2]])
    lon, lat = ends[:, 0], ends[:, 1]
    xyz = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
    angle = np.arccos(np.clip(xyz[0] @ xyz[1], -1.0, 1.0))
    if angle < 1e-9:
        return np.array([[lon1, lat1], [lon2, lat2]])
    t = np.linspace(0.0, 1.0, max(2, int(np.ceil(angle * EARTH_RADIUS_KM / step_km)) + 1))[:, None]
    if np.pi - angle < 1e-6:  # opposite: by way of the pole
        aside = np.array([0.0, 0.0, 1.0]) if abs(xyz[0, 2]) < 0.9 else np.array([1.0, 0.0, 0.0])
        normal = aside - (aside @ xyz[0]) * xyz[0]
        points = np.cos(t * np.pi) * xyz[0] + np.sin(t * np.pi) * normal / np.linalg.norm(normal)
    else:
        points = (np.sin((1 - t) * angle) * xyz[0] + np.sin(t * angle) * xyz[1]) / np.sin(angle)
    way = np.degrees(np.stack([np.arctan2(points[:, 1], points[:, 0]), np.arcsin(np.clip(points[:, 2], -1, 1))], 1))
    way[:, 0] = np.degrees(np.unwrap(np.radians(way[:, 0])))
    way[:, 0] += 360.0 * round((lon1 - way[0, 0]) / 360.0)
    way[0], way[-1, 1] = (lon1, lat1), lat2
    return way


@dataclass(frozen=True)
class View:
    """What a map shows: the part of the world around `centre` (longitude) that `bounds` (in map units) tell."""

    centre: float
    standard: float
    world: bool
    bounds: Bounds

    @property
    def aspect(self) -> float:
        left, right, bottom, top = self.bounds
        return (right - left) / (top - bottom)

    def holds(self, place: np.ndarray) -> bool:
        """Whether a (longitude, latitude) is on the map."""
        left, right, bottom, top = self.bounds
        shown = [self.project(copy)[0] for copy in shifted(place[None, :], self)]
        return any(left <= x <= right and bottom <= y <= top for x, y in shown)

    def project(self, points: np.ndarray) -> np.ndarray:
        """(longitude, latitude) to map units. A world map is in the Natural Earth projection (Šavrič, Jenny, Patterson,
        Petrovič, Hurni, 2011); a regional one has true scale along its middle latitude."""
        return _project(points, self.centre, self.standard, self.world)


def _project(points: np.ndarray, centre: float, standard: float, world: bool) -> np.ndarray:
    lon, lat = np.radians(points[..., 0] - centre), np.radians(points[..., 1])
    if not world:
        return np.stack([lon * np.cos(np.radians(standard)), lat], axis=-1)
    p2 = lat**2
    p4 = p2 * p2
    x = lon * (0.870700 - 0.131979 * p2 + p4 * (-0.013791 + p4 * (0.003971 * p2 - 0.001529 * p4)))
    y = lat * (1.007226 + p2 * (0.015085 + p4 * (-0.044475 + 0.028874 * p2 - 0.005916 * p4)))
    return np.stack([x, y], axis=-1)


def make_view(ways: list[np.ndarray], narrow: float, wide: float) -> View:
    """The view that holds all `ways` with some room around them, from `narrow` to `wide` times as wide as high."""
    points = np.concatenate(ways) if ways else np.array([[-180.0, 0.0], [0.0, 0.0], [170.0, 0.0]])
    west, east = _span(points[:, 0])
    world = east - west > WORLD_SPAN
    low, high = points[:, 1].min(), points[:, 1].max()
    if world:
        low, high = max(min(low - 5.0, -42.0), -60.0), min(max(high + 5.0, 74.0), 84.0)
        flat = _project(np.array([[-180.0, 0.0], [180.0, 0.0], [0.0, low], [0.0, high]]), 0.0, 0.0, world)
        return View(0.0, 0.0, True, (flat[0, 0], flat[1, 0], flat[2, 1], flat[3, 1]))
    centre, standard = (west + east) / 2, float(np.clip((low + high) / 2, -70, 70))
    (left, bottom), (right, top) = _project(np.array([[west, low], [east, high]]), centre, standard, world)
    margin = max(0.06 * max(right - left, top - bottom), 0.03)
    box = (left - margin, right + margin, bottom - margin, top + margin)
    return View(centre, standard, world, _widened(box, narrow, wide))


def _widened(box: Bounds, narrow: float, wide: float) -> Bounds:
    """The box with as much added on two sides as makes it from `narrow` to `wide` times as wide as high."""
    left, right, bottom, top = box
    spare_width = max(0.0, narrow * (top - bottom) - (right - left)) / 2
    spare_height = max(0.0, (right - left) / wide - (top - bottom)) / 2
    return left - spare_width, right + spare_width, bottom - spare_height, top + spare_height


@dataclass(frozen=True)
class Region:
    """A part of the world that a world map shows too small."""

    name: str
    title: str
    west: float
    east: float
    south: float
    north: float

    def view(self) -> View:
        centre, standard = (self.west + self.east) / 2, (self.south + self.north) / 2
        corners = _project(np.array([[self.west, self.south], [self.east, self.north]]), centre, standard, False)
        (left, bottom), (right, top) = corners.tolist()
        return View(centre, standard, False, _widened((left, right, bottom, top), 1.45, 1.45))


REGIONS = (Region("europe", "Europe", -11, 36, 35, 62), Region("america", "North America", -127, -66, 17, 53))


def clip(line: np.ndarray, box: Bounds) -> list[np.ndarray]:
    """The pieces of a line that are within a box (Liang and Barsky, 1984)."""
    low, high = np.array([box[0], box[2]]), np.array([box[1], box[3]])
    if ((line >= low) & (line <= high)).all():
        return [line]
    if (line.max(axis=0) < low).any() or (line.min(axis=0) > high).any():
        return []
    start, step = line[:-1], np.diff(line, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (low - start) / step, (high - start) / step
    level = step == 0
    within = (start >= low) & (start <= high)
    enter = np.where(level, np.where(within, -np.inf, np.inf), np.minimum(one, other)).max(axis=1).clip(0, None)
    leave = np.where(level, np.where(within, np.inf, -np.inf), np.maximum(one, other)).min(axis=1).clip(None, 1)
    parts: list[np.ndarray] = []
    joined = False
    for at in np.flatnonzero(enter < leave):
        end = start[at] + leave[at] * step[at] if leave[at] < 1 else line[at + 1]
        if joined and enter[at] == 0:
            parts[-1] = np.vstack([parts[-1], end])
        else:
            begin = start[at] + enter[at] * step[at] if enter[at] > 0 else line[at]
            parts.append(np.vstack([begin, end]))
        joined = leave[at] == 1
    return parts


def thinned(line: np.ndarray, tolerance: float) -> np.ndarray:
    """The line with fewer points, nowhere further than `tolerance` from it (Douglas and Peucker, 1973)."""
    kept = np.zeros(len(line), bool)
    kept[[0, -1]] = True
    open_parts = [(0, len(line) - 1)]
    while open_parts:
        first, last = open_parts.pop()
        if last - first < 2:
            continue
        along = line[last] - line[first]
        beside = line[first + 1 : last] - line[first]
        length = np.hypot(*along)
        far = np.abs(along[0] * beside[:, 1] - along[1] * beside[:, 0]) / length if length else np.hypot(*beside.T)
        at = int(np.argmax(far)) + first + 1
        if far[at - first - 1] > tolerance:
            kept[at] = True
            open_parts += [(first, at), (at, last)]
    return line[kept]


def _span(longitudes: np.ndarray) -> tuple[float, float]:
    """The shortest stretch of longitudes that holds all, as west ≤ east; it may run over 180."""
    turned = np.sort(np.mod(longitudes, 360.0))
    gaps = np.diff(np.append(turned, turned[0] + 360.0))
    at = int(np.argmax(gaps))
    west = float(turned[(at + 1) % len(turned)])
    east = west + 360.0 - float(gaps[at])
    if west > 180.0:
        west, east = west - 360.0, east - 360.0
    return west, east


def shifted(points: np.ndarray, view: View) -> list[np.ndarray]:
    """A line or ring as often as the view needs it: over the edge of ±180 it stands on both sides."""
    if view.world:
        return [points]
    return [points + np.array([turn, 0.0]) for turn in (-360.0, 0.0, 360.0)]


def cut(way: np.ndarray, view: View) -> list[np.ndarray]:
    """A great circle as it stands on the map: on a world map it is cut where it runs over the edge."""
    if not view.world:
        return shifted(way, view)
    turns = np.floor((way[:, 0] + 180.0) / 360.0)
    parts: list[np.ndarray] = []
    start = 0
    for at in [*(np.flatnonzero(np.diff(turns)) + 1).tolist(), len(way)]:
        part = way[start:at].copy()
        part[:, 0] -= 360.0 * turns[start]
        if at < len(way):  # up to the edge, and on from there on the other side
            edge = 180.0 if turns[at] > turns[start] else -180.0
            one, other = way[at - 1], way[at]
            share = (edge + 360.0 * turns[start] - one[0]) / (other[0] - one[0])
            lat = one[1] + share * (other[1] - one[1])
            parts.append(np.vstack([part, [[edge, lat]]]))
            way = way.copy()
            way[at - 1] = (-edge + 360.0 * turns[at], lat)
            start = at - 1
            turns[at - 1] = turns[at]
        else:
            parts.append(part)
    return [part for part in parts if len(part) > 1]
