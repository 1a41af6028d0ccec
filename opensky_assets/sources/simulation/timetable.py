"""Legs day by day: each aircraft shuttles in its network, with turn-round on the ground and nights at rest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np

from opensky_assets.sources.simulation.catalog import COUNTRIES
from opensky_assets.sources.simulation.motion import Legs, plan_legs
from opensky_assets.sources.simulation.world import EARTH_RADIUS, Airports, Floats, Ints, World

DAY = 86_400
WARM_UP_DAYS = 2  # the longest leg takes 16 hours: flights that are in the air at the first midnight started before
SHORTEST_HOP = 100_000.0  # m


def midnight(day: date) -> int:
    """Unix seconds of the start of a UTC day."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def legs_by_day(world: World, start: date, days: int, seed: int) -> Iterator[tuple[date, Legs]]:
    """The legs that leave on each day, from `WARM_UP_DAYS` before `start` on, in the order of their leaving.

    Only where each aircraft is and when it is ready is kept from day to day.
    """
    fleet, airports = world.fleet, world.airports
    first = start - timedelta(days=WARM_UP_DAYS)
    rng = np.random.default_rng([seed, 3])
    place = fleet.home.copy()
    ready = midnight(first) + rng.uniform(0, DAY, len(place))
    ready = rest_at_night(ready, place, fleet.type, airports, rng)
    for offset in range(days + WARM_UP_DAYS):
        day = first + timedelta(days=offset)
        end = midnight(day) + DAY
        rng = np.random.default_rng([seed, 4, day.toordinal()])
        parts = []
        while len(due := np.flatnonzero(ready < end)):
            to = choose_destinations(world, place, due, rng)
            legs = plan_legs(airports, due, fleet.type[due], place[due], to, ready[due], rng)
            place[due] = to
            turn = rng.uniform(1800, 4500, len(due)) / fleet.activity[due]
            ready[due] = rest_at_night(legs.on_block + turn, to, fleet.type[due], airports, rng)
            parts.append(legs)
        if parts:
            legs = Legs.concat(parts)
            yield day, legs.take(np.lexsort((legs.aircraft, legs.off_block)))


def choose_destinations(world: World, place: Ints, due: Ints, rng: np.random.Generator) -> Ints:
    """From home to a candidate; from there mostly home again, else to another candidate where it is in range."""
    fleet, unit = world.fleet, world.airports.unit
    candidate = fleet.candidates[due, rng.integers(0, fleet.candidates.shape[1], len(due))]
    here, home = place[due], fleet.home[due]
    cosine = np.clip(np.sum(unit[candidate] * unit[here], axis=1), -1, 1)
    hop = EARTH_RADIUS * np.arccos(cosine)
    reach = EARTH_RADIUS * np.arccos(np.clip(np.sum(unit[candidate] * unit[home], axis=1), -1, 1))
    onward = (rng.random(len(due)) < 0.3) & (hop > SHORTEST_HOP) & (hop < 1.2 * reach)
    return np.where((here == home) | onward, candidate, home)


def rest_at_night(ready: Floats, place: Ints, kind: Ints, airports: Airports, rng: np.random.Generator) -> Floats:
    """Most departures between 23 and 6 h of solar time wait for the morning."""
    local = (ready / 3600 + airports.lon[place] / 15) % 24
    to_six = (6 - local) % 24
    night = ((local >= 23) | (local < 6)) & (rng.random(len(ready)) < 0.85)
    return np.where(night, ready + (to_six + rng.exponential(1.2, len(ready))) * 3600, ready)


def callsigns(world: World, legs: Legs, salt: int = 0) -> list[str]:
    """Callsigns of legs: airline and number, at times with a letter; private aircraft send their tail number.

    Another `salt` gives another callsign of the same leg.
    """
    fleet = world.fleet
    out = []
    for aircraft, number in zip(legs.aircraft.tolist(), legs.number.tolist(), strict=True):
        airline = int(fleet.airline[aircraft])
        if airline < 0:
            text = fleet.registration[aircraft].replace("-", "")
            out.append((text if not salt else f"X{text}")[:8])
            continue
        value = (number + salt * 1237) % 4999 + 1
        suffix = "ABCDEFGHJKLMNPRSTUVWXYZ"[value % 23] if number % 6 == 0 else ""
        out.append(f"{COUNTRIES[int(fleet.country[aircraft])].airlines[airline].icao}{value}{suffix}")
    return out
