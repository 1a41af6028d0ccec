"""Regions that are polled: a name, a box in degrees, an interval in seconds."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass

from opensky_assets.settings import SettingsError
from opensky_assets.sources.api import credits_of_box

DEFAULT_INTERVAL_S = 60.0
SHORTEST_INTERVAL_S, SHORTEST_ANONYMOUS_S = 5.0, 10.0
"""OpenSky gives no newer states sooner."""

NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class RegionError(SettingsError):
    """A region cannot be polled; the text says which and why."""


@dataclass(frozen=True)
class Box:
    """Degrees of WGS84."""

    lamin: float
    lomin: float
    lamax: float
    lomax: float

    @property
    def square_degrees(self) -> float:
        return (self.lamax - self.lamin) * (self.lomax - self.lomin)

    def __str__(self) -> str:
        return ",".join(f"{edge:g}" for edge in (self.lamin, self.lomin, self.lamax, self.lomax))


@dataclass(frozen=True)
class Region:
    """`box` is `None` for the whole world. `interval_s` is the requested one, the plan may stretch it."""

    name: str
    box: Box | None
    interval_s: float = DEFAULT_INTERVAL_S

    @property
    def credits(self) -> int:
        """What one poll costs."""
        return credits_of_box(self.box.square_degrees if self.box else math.inf)

    @property
    def bounds(self) -> dict[str, float]:
        """The box as the API's parameters."""
        return asdict(self.box) if self.box else {}


KNOWN_BOXES: dict[str, Box | None] = {
    "europe": Box(35, -10, 70, 40),
    "north_america": Box(25, -125, 50, -65),
    "world": None,
}
"""Regions that need no box."""


def parse_region(text: str) -> Region:
    """A region as `europe`, `europe@90` or `alps=45.5,5.5,48,16@30`: name, box, interval in seconds. Raises
    `RegionError`."""
    head, at, interval = text.strip().partition("@")
    name, equals, edges = head.partition("=")
    if not NAME.fullmatch(name):
        raise RegionError(f"region {text!r}: a name is small letters, digits, _ and -, and begins with a letter")
    if equals:
        box: Box | None = _parse_box(text, edges)
    elif name in KNOWN_BOXES:
        box = KNOWN_BOXES[name]
    else:
        raise RegionError(
            f"region {text!r}: {name} is unknown; give its box as {name}=lamin,lomin,lamax,lomax, or one of "
            f"{', '.join(KNOWN_BOXES)}"
        )
    return Region(name, box, _parse_interval(text, interval) if at else DEFAULT_INTERVAL_S)


def _parse_box(text: str, edges: str) -> Box:
    try:
        lamin, lomin, lamax, lomax = map(float, edges.split(","))
    except ValueError:
        raise RegionError(f"region {text!r}: a box is lamin,lomin,lamax,lomax in degrees, as 45.5,5.5,48,16") from None
    if not (-90 <= lamin < lamax <= 90 and -180 <= lomin < lomax <= 180):
        raise RegionError(
            f"region {text!r}: latitudes must rise within -90 to 90, longitudes within -180 to 180; take two boxes "
            "for a region over the date line"
        )
    return Box(lamin, lomin, lamax, lomax)


def _parse_interval(text: str, interval: str) -> float:
    try:
        seconds = float(interval)
    except ValueError:
        seconds = 0
    if not SHORTEST_INTERVAL_S <= seconds <= 86_400:
        raise RegionError(
            f"region {text!r}: an interval is {SHORTEST_INTERVAL_S:g} to 86400 seconds, since OpenSky gives no newer "
            "states sooner"
        )
    return seconds


def parse_regions(texts: list[str]) -> list[Region]:
    """Several regions, whose names differ. Raises `RegionError`."""
    regions = [parse_region(text) for text in texts if text.strip()]
    if not regions:
        raise RegionError("no region: name at least one, as europe or alps=45.5,5.5,48,16@30")
    names = [region.name for region in regions]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise RegionError(f"the region {repeated[0]} is named twice: give each box a name of its own")
    return regions
