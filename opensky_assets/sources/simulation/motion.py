"""Where an aircraft is on its leg: taxi, climb, cruise, descent along a great circle, for arrays of instants.

`Legs` is a table of legs, one array a column; every function here is vectorised over legs and instants at once.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from opensky_assets.sources.simulation.catalog import TYPES
from opensky_assets.sources.simulation.world import EARTH_RADIUS, Airports, Floats, Ints

TAXI_SPEED = 5.0  # m/s
CLIMB = 9.0  # m/s, mean
DESCENT = 7.0  # m/s, mean


@dataclass(frozen=True)
class Legs:
    """Legs by index. Times are unix seconds, lengths m, speeds m/s; `start` and `ahead` are unit vectors, parts of
    the great circle: position at angle x is start cos x + ahead sin x."""

    aircraft: Ints
    origin: Ints
    destination: Ints
    off_block: Floats
    takeoff: Floats
    landing: Floats
    on_block: Floats
    start: Floats
    ahead: Floats
    climb_time: Floats
    cruise_time: Floats
    descent_time: Floats
    slow: Floats
    fast: Floats
    height_1: Floats
    height_cruise: Floats
    height_2: Floats
    phase: Floats
    number: Ints

    def __len__(self) -> int:
        return len(self.aircraft)

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Legs:
        return Legs(*(getattr(self, f.name)[index] for f in fields(self)))

    @staticmethod
    def concat(parts: list[Legs]) -> Legs:
        return Legs(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Legs)))


def plan_legs(
    airports: Airports,
    aircraft: Ints,
    kind: Ints,
    origin: Ints,
    destination: Ints,
    off_block: Floats,
    rng: np.random.Generator,
) -> Legs:
    """Legs that leave `off_block`, with a profile that fits their length: short ones fly lower."""
    n = len(aircraft)
    speed = np.array([t.speed for t in TYPES])[kind] * rng.uniform(0.96, 1.04, n)
    ceiling = np.array([t.ceiling for t in TYPES])[kind]
    a, b = airports.unit[origin], airports.unit[destination]
    cosine = np.clip(np.sum(a * b, axis=1), -1, 1)
    angle = np.arccos(cosine)
    ahead = (b - a * cosine[:, None]) / np.maximum(np.sin(angle), 1e-9)[:, None]
    length = angle * EARTH_RADIUS
    slow = np.minimum(speed * 0.55, 72.0)
    e1, e2 = airports.elevation[origin], airports.elevation[destination]
    ground = np.maximum(e1, e2)
    level = np.round((ceiling - rng.integers(0, 5, n) * 609.6) / 304.8) * 304.8
    cruise = np.maximum(level, ground + 900)
    climb, descent = (cruise - e1) / CLIMB, (cruise - e2) / DESCENT
    squeeze = np.minimum(1.0, 0.85 * length / ((slow + speed) / 2 * (climb + descent)))
    climb, descent = climb * squeeze, descent * squeeze
    cruise = np.where(squeeze < 1, ground + (cruise - ground) * squeeze, cruise)
    cruise_time = (length - (slow + speed) / 2 * (climb + descent)) / speed
    takeoff = off_block + rng.uniform(240, 900, n)
    landing = takeoff + climb + cruise_time + descent
    return Legs(
        aircraft=aircraft,
        origin=origin,
        destination=destination,
        off_block=off_block,
        takeoff=takeoff,
        landing=landing,
        on_block=landing + rng.uniform(180, 600, n),
        start=a,
        ahead=ahead,
        climb_time=climb,
        cruise_time=cruise_time,
        descent_time=descent,
        slow=slow,
        fast=speed,
        height_1=e1,
        height_cruise=cruise,
        height_2=e2,
        phase=rng.uniform(0, 6.28, n),
        number=rng.integers(1, 5000, n),
    )


@dataclass(frozen=True)
class Motion:
    """`lat`, `lon` degrees; `height` m over the sea; `east`, `north`, `up` m/s; `ground`: on the ground."""

    lat: Floats
    lon: Floats
    height: Floats
    east: Floats
    north: Floats
    up: Floats
    ground: NDArray[np.bool_]


def along(legs: Legs, time: Floats) -> tuple[Floats, Floats, Floats, Floats, NDArray[np.bool_]]:
    """Distance since take-off (m), speed, height, vertical rate and whether on the ground.

    `time` has the legs on its last axis. Climb slows down with height, descent is even, speed changes evenly.
    """
    since = time - legs.takeoff
    climb, cruise, descent = legs.climb_time, legs.cruise_time, legs.descent_time
    up = np.clip(since, 0.0, climb)
    level = np.clip(since - climb, 0.0, cruise)
    down = np.clip(since - climb - cruise, 0.0, descent)
    after = np.clip(time - legs.landing, 0.0, None)
    before = np.minimum(since, 0.0)
    gain = legs.fast - legs.slow
    rising, sinking = up / climb, down / descent
    speed = legs.slow + gain * (rising - sinking)
    distance = (legs.slow + 0.5 * gain * rising) * up + legs.fast * level + (legs.fast - 0.5 * gain * sinking) * down
    distance += TAXI_SPEED * (before + after)
    rest = 1.0 - rising
    height = legs.height_cruise - (legs.height_cruise - legs.height_1) * rest * rest
    height -= (legs.height_cruise - legs.height_2) * sinking
    rate = 2.0 * (legs.height_cruise - legs.height_1) / climb * rest
    rate -= np.where(down > 0, (legs.height_cruise - legs.height_2) / descent, 0.0)
    ground = (before < 0) | (after > 0)
    return distance, np.where(ground, TAXI_SPEED, speed), height, np.where(ground, 0.0, rate), ground


def motion(legs: Legs, time: Floats) -> Motion:
    """Position and velocity at `time`, whose last axis is the legs."""
    distance, speed, height, rate, ground = along(legs, time)
    angle = distance / EARTH_RADIUS
    cos, sin = np.cos(angle), np.sin(angle)
    x, y, z = (legs.start[:, i] * cos + legs.ahead[:, i] * sin for i in range(3))
    # The direction of flight is the derivative of the position; east and north are its parts.
    dx, dy, dz = (legs.ahead[:, i] * cos - legs.start[:, i] * sin for i in range(3))
    level = np.sqrt(x * x + y * y)
    return Motion(
        lat=np.degrees(np.arctan2(z, level)),
        lon=np.degrees(np.arctan2(y, x)),
        height=height,
        east=speed * (x * dy - y * dx) / level,
        north=speed * dz / level,
        up=rate,
        ground=ground,
    )
