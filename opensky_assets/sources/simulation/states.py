"""State vectors of one hour, slice by slice of time, as rows of OpenSky's CSV.

This is the hot path: arrays of (instants x intervals of contact), no Python object a row. A state that is kept
after the last contact is frozen because everything is computed for the instant of the last position, which no
longer moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opensky_assets.sources.simulation.catalog import SPECIAL_ICAO24
from opensky_assets.sources.simulation.coverage import Contacts
from opensky_assets.sources.simulation.motion import Legs, motion
from opensky_assets.sources.simulation.world import FOOT, Ints, World

if TYPE_CHECKING:
    import polars as pl

GRID = 10  # s between the instants of the files
SLICE_ROWS = 60_000  # rows computed together: small enough for the processor's cache
KNOT = 1852 / 3600  # m/s
RATE_STEP = 64 * FOOT / 60  # m/s: vertical rates come in steps of 64 ft/min
HEIGHT_STEP = 25 * FOOT  # m: altitudes come in steps of 25 ft
LATITUDE_STEP = 6 / 131072  # degrees: an even CPR latitude
SURFACE_TRACK_STEP = 2.8125  # degrees: tracks on the ground have seven bits

STATE_HEADER = (
    "time",
    "icao24",
    "lat",
    "lon",
    "velocity",
    "heading",
    "vertrate",
    "callsign",
    "onground",
    "alert",
    "spi",
    "squawk",
    "baroaltitude",
    "geoaltitude",
    "lastposupdate",
    "lastcontact",
)


@dataclass(frozen=True)
class Names:
    """Texts of legs by row: callsign padded to 8, the one it changes to, when, and squawk (-1: none)."""

    callsign: list[str]
    later: list[str]
    change: np.ndarray
    squawk: Ints


def hour_slices(
    world: World, legs: Legs, heard: Contacts, names: Names, hour: int, rng: np.random.Generator
) -> Iterator[tuple[bytes, int, dict[int, str]]]:
    """CSV lines of the hour that starts at `hour` (unix s), in the order of time: bytes, rows, rows to remark.

    The remarks name rows whose address looks like a number; they matter to whoever checks that it stays text.
    """
    heard = heard.take((heard.gone >= hour) & (heard.begin < hour + 3600))
    heard = heard.take(np.argsort(legs.aircraft[heard.leg], kind="stable"))
    if not len(heard):
        return
    frames = StateFrames(world, legs, names)
    step = int(np.clip(SLICE_ROWS // len(heard), 1, 3600 // GRID))
    for at in range(0, 3600 // GRID, step):
        ticks = hour + GRID * np.arange(at, min(at + step, 3600 // GRID), dtype=np.float64)
        part = heard.take((heard.gone >= ticks[0]) & (heard.begin <= ticks[-1]))
        if not len(part):
            continue
        frame, special = frames.frame(part, ticks, rng)
        if frame.height:
            text = frame.write_csv(include_header=False)
            yield text.encode(), frame.height, special


class StateFrames:
    """Builds frames of states; keeps the texts that rows refer to by number."""

    def __init__(self, world: World, legs: Legs, names: Names) -> None:
        import polars as pl

        self.world, self.legs, self.names = world, legs, names
        self.icao24 = pl.Series(world.fleet.icao24)
        self.callsign = pl.Series([None, *names.callsign, *names.later], dtype=pl.String)
        self.squawk = pl.Series([None, *(f"{i:04o}" for i in range(4096))], dtype=pl.String)
        self.boolean = pl.Series(["False", "True"])

    def frame(
        self, heard: Contacts, ticks: np.ndarray, rng: np.random.Generator
    ) -> tuple[pl.DataFrame, dict[int, str]]:
        """The states at `ticks` of the aircraft `heard`, by time, then by aircraft."""
        import polars as pl

        legs = self.legs.take(heard.leg)
        shape = (len(ticks), len(heard))
        now = np.broadcast_to(ticks[:, None], shape)
        fresh = now <= heard.end
        # Messages come about once a second; now and then the last one is some seconds old.
        age = rng.random(shape, dtype=np.float32)
        contact = np.where(fresh, np.maximum(now - age * age * age * 4.0, heard.begin), heard.end)
        lag = np.where(fresh, np.maximum(1.6 * rng.random(shape, dtype=np.float32) - 0.8, 0.0), 0.2)
        position = np.maximum(contact - lag, heard.begin)
        state = motion(legs, position)
        wave = np.sin(position * 0.013 + legs.phase)
        east, north = np.round(state.east / KNOT), np.round(state.north / KNOT)
        velocity = np.hypot(east, north) * KNOT
        heading = np.degrees(np.arctan2(east, north))
        heading = np.where(heading < 0, heading + 360, heading)
        heading = np.where(state.ground, np.floor(heading / SURFACE_TRACK_STEP) * SURFACE_TRACK_STEP, heading)
        rate = np.where(state.ground, 0.0, np.round(state.up / RATE_STEP + 0.7 * wave) * RATE_STEP + 0.0)
        baro = np.round(state.height / HEIGHT_STEP + 0.4 * wave) * HEIGHT_STEP
        geo = (
            np.round(state.height * (1 + 0.012 * np.cos(legs.phase)) / HEIGHT_STEP + 4 * legs.phase - 10) * HEIGHT_STEP
        )
        geo = np.where(state.ground, np.nan, geo)
        baro = np.where(state.ground & (position < legs.takeoff), np.nan, baro)
        lat = np.round(state.lat / LATITUDE_STEP) * LATITUDE_STEP
        # A decoded longitude has no short spelling: the width of its zones depends on the latitude.
        lon = state.lon
        # Aircraft without ADS-B, and the first seconds of contact, have no position.
        adsb = self.world.fleet.adsb[legs.aircraft]
        blind = ~adsb | (now < heard.begin + 12)
        for values in (lat, lon, velocity, heading, rate, geo):
            values[blind] = np.nan
        updated = np.where(blind, np.nan, np.round(position, 3))

        row = np.arange(len(heard), dtype=np.int64)
        named = np.where(contact >= self.names.change[heard.leg], len(self.names.callsign), 0) + heard.leg + 1
        named[now < heard.begin + 20] = 0
        keep = (now >= heard.begin) & (now <= heard.gone)
        flat = np.flatnonzero(keep)
        aircraft = np.broadcast_to(legs.aircraft[row], shape).ravel()[flat]
        alert = np.broadcast_to((legs.number % 997 == 0), shape).ravel()[flat]
        squawk = np.broadcast_to(self.names.squawk[heard.leg] + 1, shape).ravel()[flat]

        def floats(values: np.ndarray) -> pl.Series:
            return pl.Series(values.ravel()[flat], nan_to_null=True)

        frame = pl.DataFrame(
            {
                "time": now.ravel()[flat].astype(np.int64),
                "icao24": self.icao24.gather(aircraft),
                "lat": floats(lat),
                "lon": floats(lon),
                "velocity": floats(velocity),
                "heading": floats(heading),
                "vertrate": floats(rate),
                "callsign": self.callsign.gather(named.ravel()[flat]),
                "onground": self.boolean.gather(state.ground.ravel()[flat].astype(np.int64)),
                "alert": self.boolean.gather(alert.astype(np.int64)),
                "spi": pl.repeat("False", len(flat), eager=True),
                "squawk": self.squawk.gather(squawk),
                "baroaltitude": floats(baro),
                "geoaltitude": floats(geo),
                "lastposupdate": floats(updated),
                "lastcontact": pl.Series(np.round(contact.ravel()[flat], 3)),
            }
        )
        special = {
            int(i): self.world.fleet.icao24[int(aircraft[i])]
            for i in np.flatnonzero(aircraft < len(SPECIAL_ICAO24)).tolist()
        }
        return frame, special
