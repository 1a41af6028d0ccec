"""Rows of the flight list, and the true flights behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from opensky_assets.sources.simulation.catalog import COUNTRIES, TYPES
from opensky_assets.sources.simulation.coverage import Contacts
from opensky_assets.sources.simulation.motion import Legs, motion
from opensky_assets.sources.simulation.states import HEIGHT_STEP, LATITUDE_STEP
from opensky_assets.sources.simulation.world import Floats, World

if TYPE_CHECKING:
    import polars as pl

FLIGHT_HEADER = (
    "callsign",
    "number",
    "icao24",
    "registration",
    "typecode",
    "origin",
    "destination",
    "firstseen",
    "lastseen",
    "day",
    "latitude_1",
    "longitude_1",
    "altitude_1",
    "latitude_2",
    "longitude_2",
    "altitude_2",
)
FIRST_HEIGHT_STEP = 304.8  # m: the list gives the first altitude in steps of 1,000 ft
NEAR_GROUND = 2_000.0  # m over the airport: a first or last position below tells the airport


def flight_frame(
    world: World, legs: Legs, heard: Contacts, callsign: list[str], rng: np.random.Generator
) -> pl.DataFrame:
    """One row a leg: the true flight, and (`listed`) what the flight list says of it.

    A leg is listed where it was heard and sends positions. Its airports are known where it was heard near the ground.
    """
    import polars as pl

    fleet, airports = world.fleet, world.airports
    n = len(legs)
    first, last = np.full(n, np.inf), np.full(n, -np.inf)
    np.minimum.at(first, heard.leg, heard.begin)
    np.maximum.at(last, heard.leg, heard.end)
    was_heard = np.isfinite(first)
    first, last = np.where(was_heard, first, legs.takeoff), np.where(was_heard, last, legs.landing)
    begin, end = motion(legs, first), motion(legs, last)
    low_1 = begin.height - legs.height_1 < NEAR_GROUND
    low_2 = end.height - legs.height_2 < NEAR_GROUND
    knows_1 = low_1 & (first < legs.takeoff + legs.climb_time) & (rng.random(n) < 0.93)
    knows_2 = low_2 & (last > legs.landing - legs.descent_time) & (rng.random(n) < 0.93)
    code = pl.Series(airports.icao)
    icao24, registration = pl.Series(fleet.icao24), pl.Series(fleet.registration)
    typecode = pl.Series([t.code for t in TYPES])
    numbered = (rng.random(n) < 0.1) & (fleet.airline[legs.aircraft] >= 0)
    number = [
        f"{COUNTRIES[int(fleet.country[a])].airlines[int(fleet.airline[a])].iata}{call[3:]}" if has else None
        for a, call, has in zip(legs.aircraft.tolist(), callsign, numbered.tolist(), strict=True)
    ]
    known = (legs.aircraft * 2654435761 % 1000) / 1000  # a property of the aircraft, the same in all its flights
    height_1 = np.where(begin.ground, 0.0, np.round(np.round(begin.height / FIRST_HEIGHT_STEP) * FIRST_HEIGHT_STEP, 1))
    height_2 = np.round(end.height / HEIGHT_STEP) * HEIGHT_STEP
    height_2[rng.random(n) < 0.03] = np.nan

    def latitude(values: Floats) -> Floats:
        return np.round(values / LATITUDE_STEP) * LATITUDE_STEP

    def where(values: pl.Series, mask: np.ndarray) -> pl.Series:
        return values.zip_with(pl.Series(mask), pl.repeat(None, len(values), dtype=pl.String, eager=True))

    return pl.DataFrame(
        {
            "callsign": where(pl.Series(callsign, dtype=pl.String), rng.random(n) >= 0.01),
            "number": pl.Series(number, dtype=pl.String),
            "icao24": icao24.gather(legs.aircraft),
            "registration": where(registration.gather(legs.aircraft), known >= 0.06),
            "typecode": where(typecode.gather(fleet.type[legs.aircraft]), known >= 0.1),
            "origin": where(code.gather(legs.origin), knows_1),
            "destination": where(code.gather(legs.destination), knows_2),
            "firstseen": seconds(first),
            "lastseen": seconds(last),
            "latitude_1": latitude(begin.lat),
            "longitude_1": begin.lon,
            "altitude_1": height_1,
            "latitude_2": latitude(end.lat),
            "longitude_2": end.lon,
            "altitude_2": pl.Series(height_2, nan_to_null=True),
            "aircraft": legs.aircraft,
            "true_callsign": pl.Series(callsign, dtype=pl.String),
            "true_origin": code.gather(legs.origin),
            "true_destination": code.gather(legs.destination),
            "takeoff": seconds(legs.takeoff),
            "landing": seconds(legs.landing),
            "heard": was_heard,
            "listed": was_heard & fleet.adsb[legs.aircraft],
        }
    ).sort("firstseen", "aircraft")


def seconds(time: Floats) -> pl.Series:
    """Unix seconds as UTC times, fractions cut off."""
    import polars as pl

    return pl.Series(np.floor(time).astype(np.int64) * 1_000_000).cast(pl.Datetime("us", "UTC"))


def list_lines(flights: pl.DataFrame) -> bytes:
    """Flights as lines of the flight list."""
    import polars as pl

    stamp = "%Y-%m-%d %H:%M:%S+00:00"
    return (
        flights.with_columns(day=pl.col("lastseen").dt.truncate("1d"))
        .with_columns(pl.col("firstseen", "lastseen", "day").dt.strftime(stamp))
        .select(FLIGHT_HEADER)
        .write_csv(include_header=False, line_terminator="\r\n")
        .encode()
    )


def true_flights(flights: pl.DataFrame) -> pl.DataFrame:
    """The truth's table: what was flown, and when it was heard (empty where it never was)."""
    import polars as pl

    return flights.select(
        "icao24",
        callsign="true_callsign",
        origin="true_origin",
        destination="true_destination",
        takeoff="takeoff",
        landing="landing",
        firstseen=pl.when("heard").then("firstseen"),
        lastseen=pl.when("heard").then("lastseen"),
        listed="listed",
    )
