"""The whole simulated bucket: objects day by day and hour by hour, the truth beside them, memory bounded."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from opensky_assets.progress import advance
from opensky_assets.schemas.reasons import Reason
from opensky_assets.sources.keys import SIMULATED_MARKER
from opensky_assets.sources.simulation.aircraft_tables import write_aircraft_tables
from opensky_assets.sources.simulation.catalog import SPECIAL_ICAO24
from opensky_assets.sources.simulation.coverage import Contacts, contacts
from opensky_assets.sources.simulation.damage import write_damaged_objects
from opensky_assets.sources.simulation.defects import FLIGHT_TABLE, OVERLONG, STATE_TABLE, Injector, Outcome, Spot
from opensky_assets.sources.simulation.files import Sink, flight_list_key, gzip_file, state_key, state_tar
from opensky_assets.sources.simulation.flight_list import FLIGHT_HEADER, flight_frame, list_lines, true_flights
from opensky_assets.sources.simulation.motion import Legs
from opensky_assets.sources.simulation.states import STATE_HEADER, Names, hour_slices
from opensky_assets.sources.simulation.timetable import DAY, callsigns, legs_by_day, midnight
from opensky_assets.sources.simulation.truth import Truth
from opensky_assets.sources.simulation.world import World, build_world
from opensky_assets.wording import plural

if TYPE_CHECKING:
    import polars as pl

MARKER = SIMULATED_MARKER
"""The object at the root that says the bucket is simulated."""
TRUTH_FILES = {"simulated.json", *(f"{name}.parquet" for name in ("flights", "aircraft", "defects", "counts"))}
PINNED = ("airportsdata", "isal", "numpy", "polars")  # what the bytes depend on

Progress = Callable[[str], None]


class BucketExistsError(Exception):
    """The folder holds something that must not be overwritten."""


@dataclass(frozen=True)
class SimulationSummary:
    """What was written, or stood there already. `seconds` is 0 for the latter."""

    out: Path
    truth: Path
    objects: int
    bytes: int
    flights: int
    states: int
    aircraft_records: int
    defects: int
    quarantined: int
    seconds: float

    def text(self) -> str:
        took = f"in {self.seconds:.1f} s" if self.seconds else "already there"
        return (
            f"simulated bucket {self.out}: {self.objects} objects, {self.bytes / 1e6:,.1f} MB, "
            f"{self.flights:,} flights, {self.states:,} states, {self.aircraft_records:,} aircraft records, "
            f"{self.defects:,} defects of which {self.quarantined:,} for quarantine; {took}; truth in {self.truth}"
        )


def simulate(
    out: Path,
    *,
    start: date,
    days: int,
    aircraft: int,
    seed: int,
    defects: float = 0.001,
    damaged_objects: bool = False,
    states: bool = True,
    states_hours: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> SimulationSummary:
    """Write `days` days from `start` on, of `aircraft` aircraft, into the folder `out`, the truth to `<out>.truth`.

    `defects` is the share of flight and state records that are spoilt, `states_hours` limits the states to the first
    hours. A bucket that stands there with the same arguments is left as it is, so its objects do not look new.
    """
    if days < 1 or not 0 <= defects <= 0.5 or seed < 0 or (states_hours is not None and states_hours < 0):
        raise ValueError("days must be positive, seed and states-hours not negative, defects from 0 to 0.5")
    hours = 0 if not states else min(24 * days, 24 * days if states_hours is None else states_hours)
    arguments = {
        "start": start.isoformat(),
        "days": days,
        "aircraft": aircraft,
        "seed": seed,
        "defects": defects,
        "damaged_objects": damaged_objects,
        "states_hours": hours,
        "versions": {name: version(name) for name in PINNED},
    }
    truth = out.with_name(out.name + ".truth")
    if (found := prepare(out, truth, arguments, force)) is not None:
        return found
    began = time.monotonic()
    (out / MARKER).write_text(marker_text(arguments), encoding="utf-8")
    run = Run(out, start, days, seed, hours, defects, Truth(truth), progress or (lambda text: None), began)
    with run.truth:
        run.write_all(aircraft)
        if damaged_objects:
            run.truth.add_all(write_damaged_objects(out, start, seed))
    files = [p for p in out.rglob("*") if p.is_file()]
    summary = {
        "objects": len(files),
        "bytes": sum(p.stat().st_size for p in files),
        **{name: run.truth.records.get(name, 0) for name in ("flights", "state_vectors", "aircraft_database")},
        "defects": run.truth.defects,
        "quarantined": run.truth.quarantined,
    }
    # Written last: it says that the bucket is complete.
    note = {"simulated": True, "arguments": arguments, "summary": summary}
    (truth / "simulated.json").write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
    return as_summary(out, truth, summary, time.monotonic() - began)


def as_summary(out: Path, truth: Path, summary: dict[str, int], seconds: float) -> SimulationSummary:
    names = {"state_vectors": "states", "aircraft_database": "aircraft_records"}
    return SimulationSummary(out, truth, seconds=seconds, **{names.get(k, k): v for k, v in summary.items()})


def prepare(out: Path, truth: Path, arguments: dict[str, object], force: bool) -> SimulationSummary | None:
    """Make room. A complete bucket of the same arguments is given back; anything but a simulated one is refused."""
    note = truth / "simulated.json"
    if out.exists() and any(out.iterdir()):
        if not (out / MARKER).exists():
            raise BucketExistsError(f"{out} is not empty and not simulated: choose another --out")
        found = json.loads(note.read_text(encoding="utf-8")) if note.exists() else None
        if found and found["arguments"] == arguments and not force:
            return as_summary(out, truth, found["summary"], 0.0)
        if found and not force:
            raise BucketExistsError(f"{out} was simulated with other arguments: use --force to replace it")
        shutil.rmtree(out)
    if truth.exists():
        if {p.name for p in truth.iterdir()} - TRUTH_FILES:
            raise BucketExistsError(f"{truth} is not empty and not a simulation's truth: choose another --out")
        shutil.rmtree(truth)
    out.mkdir(parents=True)
    truth.mkdir(parents=True)
    return None


def marker_text(arguments: dict[str, object]) -> str:
    lines = "".join(f"{name}: {json.dumps(value)}\n" for name, value in arguments.items())
    return f"This data is simulated. Nothing in it was recorded; aircraft and flights are invented.\n\n{lines}"


@dataclass
class Active:
    """Legs that may still give states, with their contacts and texts."""

    legs: Legs
    heard: Contacts
    names: Names


@dataclass
class Run:
    """One simulation as it goes on."""

    out: Path
    start: date
    days: int
    seed: int
    hours: int
    rate: float
    truth: Truth
    progress: Progress
    began: float
    reported: float = 0.0
    states: int = 0
    objects: int = 0
    hours_done: int = 0

    def __post_init__(self) -> None:
        self.flight_injector = Injector(FLIGHT_TABLE, self.rate)
        self.state_injector = Injector(STATE_TABLE, self.rate)
        self.lists = FlightLists(self)

    def write_all(self, aircraft: int) -> None:
        world = build_world(aircraft, self.seed)
        spots, winners = write_aircraft_tables(self.out, world, self.seed, self.rate > 0)
        self.truth.add_all(spots)
        self.truth.aircraft(winners)
        active: Active | None = None
        waiting: list[pl.DataFrame] = []
        first_hour, last = midnight(self.start), midnight(self.start) + DAY * self.days
        for day, legs in legs_by_day(world, self.start, self.days, self.seed):
            rng = np.random.default_rng([self.seed, 6, day.toordinal()])
            heard = contacts(world, legs, rng)
            texts = callsigns(world, legs)
            waiting = self.flights(day, last, [*waiting, flight_frame(world, legs, heard, texts, rng)])
            if self.hours and midnight(day) < first_hour + 3600 * self.hours:
                active = self.join(active, legs, heard, names_of(world, legs, texts, rng), midnight(day))
            if day >= self.start:
                for hour in range(24):
                    if midnight(day) + 3600 * hour < first_hour + 3600 * self.hours and active is not None:
                        self.state_hour(world, active, day, hour)
        self.lists.close()
        self.report(force=True)

    def flights(self, day: date, last: int, frames: list[pl.DataFrame]) -> list[pl.DataFrame]:
        """List the flights that ended by the end of `day`, which no later leg can precede; give back the others."""
        import polars as pl

        every = pl.concat(frames)
        end = datetime.fromtimestamp(midnight(day) + DAY, UTC)
        done = every.filter(pl.col("lastseen") < end).with_columns(day=pl.col("lastseen").dt.date())
        if day >= self.start:
            done = done.filter(pl.col("day") >= self.start)
            self.truth.flights(true_flights(done))
            for part in done.sort("day", maintain_order=True).partition_by("day", maintain_order=True):
                self.lists.write(part["day"][0], part.filter("listed").drop("day"))
        return [every.filter(pl.col("lastseen") >= end)]

    def join(self, active: Active | None, legs: Legs, heard: Contacts, names: Names, since: int) -> Active:
        """Add a day's legs to those of earlier days that are still in the air."""
        if active is None:
            return Active(legs, heard, names)
        keep = np.unique(active.heard.leg[active.heard.gone >= since])
        place = np.full(len(active.legs), -1)
        place[keep] = np.arange(len(keep))
        old = active.heard.take(place[active.heard.leg] >= 0)
        kept = active.names
        return Active(
            Legs.concat([active.legs.take(keep), legs]),
            Contacts(
                np.concatenate([place[old.leg], heard.leg + len(keep)]),
                np.concatenate([old.begin, heard.begin]),
                np.concatenate([old.end, heard.end]),
                np.concatenate([old.gone, heard.gone]),
            ),
            Names(
                [kept.callsign[i] for i in keep.tolist()] + names.callsign,
                [kept.later[i] for i in keep.tolist()] + names.later,
                np.concatenate([kept.change[keep], names.change]),
                np.concatenate([kept.squawk[keep], names.squawk]),
            ),
        )

    def state_hour(self, world: World, active: Active, day: date, hour: int) -> None:
        """Write one hourly object."""
        key = state_key(day, hour)
        rng = np.random.default_rng([self.seed, 7, day.toordinal(), hour])
        # A few members of the real bucket are plain CSV, and a few are gzipped under the name of a plain one.
        form = rng.random()
        packed, named = form >= 0.04, form >= 0.08 or form < 0.04
        member = f"states_{day}-{hour:02d}.csv" + (".gz" if packed and named else "")
        spot = Spot(key, "state_vectors")
        with state_tar(self.out / key, member, packed) as sink:
            writer = Lines(sink, ",".join(STATE_HEADER).encode() + b"\n", self.rate)
            for text, rows, special in hour_slices(
                world, active.legs, active.heard, active.names, midnight(day) + 3600 * hour, rng
            ):
                writer.write(self.state_injector.inject(text, rows, special, rng, spot))
                self.states += rows
                self.report()
            writer.close(spot, rng)
        self.truth.add(spot)
        self.objects += 1
        self.hours_done += 1

    def report(self, force: bool = False) -> None:
        """Progress, twice a second at most."""
        now = time.monotonic()
        if force or now - self.reported > 0.5:
            self.reported = now
            rate = f"{self.states / max(now - self.began, 1e-9):,.0f} states/s"
            advance("simulated hours", self.hours_done, self.hours, rate)
            self.progress(f"simulated: {plural(self.objects, 'object')}, {self.states:,} states, {rate}")


def names_of(world: World, legs: Legs, texts: list[str], rng: np.random.Generator) -> Names:
    """Callsigns as the state files have them; one leg in 200 changes its callsign on the way."""
    changes = rng.random(len(legs)) < 0.005
    at = legs.takeoff + rng.uniform(0.2, 0.8, len(legs)) * (legs.landing - legs.takeoff)
    return Names(
        [f"{text:<8}" for text in texts],
        [f"{text:<8}" for text in callsigns(world, legs, salt=1)],
        np.where(changes, at, np.inf),
        np.where(rng.random(len(legs)) < 0.35, -1, rng.integers(0, 4096, len(legs))),
    )


class Lines:
    """Writes a header and lines to a sink, the last line held back so that its end can be left out."""

    NO_LINE_END = 0.1  # share of objects whose last line has no end

    def __init__(self, sink: Sink, header: bytes, rate: float) -> None:
        self.sink, self.rate, self.held = sink, rate, header

    def write(self, text: bytes) -> None:
        if text:
            self.sink.write(self.held)
            self.held = text

    def close(self, spot: Spot, rng: np.random.Generator) -> None:
        # A last line with a defect of its own keeps its end: one defect a line.
        spoilt = spot.records == 0 or any(d.line_number == spot.line - 1 for d in spot.defects[-3:])
        if rng.random() < self.NO_LINE_END and self.rate > 0 and not spoilt:
            self.held = self.held.removesuffix(b"\n").removesuffix(b"\r")
            spot.note("no_last_line_end", spot.line - 1, Outcome.UNTOUCHED, None)
        self.sink.write(self.held)


class FlightLists:
    """The flight list of the current month, written day by day."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.key = ""
        self.overlong_done = False
        self.stack = ExitStack()

    def write(self, day: date, flights: pl.DataFrame) -> None:
        key = flight_list_key(day, self.run.start, self.run.days)
        if key != self.key:
            self.close()
            self.key = key
            self.spot = Spot(key, "flights")
            self.rng = np.random.default_rng([self.run.seed, 8, day.year, day.month])
            sink = self.stack.enter_context(gzip_file(self.run.out / key))
            self.lines = Lines(sink, ",".join(FLIGHT_HEADER).encode() + b"\r\n", self.run.rate)
        text = list_lines(flights)
        low = np.flatnonzero(flights["aircraft"].to_numpy() < len(SPECIAL_ICAO24)).tolist()
        special = {i: flights["icao24"][i] for i in low}
        self.lines.write(self.run.flight_injector.inject(text, flights.height, special, self.rng, self.spot))
        if self.run.rate > 0 and not self.overlong_done:
            # One in the whole bucket: it is a megabyte.
            self.lines.write(b"A" * OVERLONG + FLIGHT_TABLE.eol)
            self.spot.note("overlong_line", self.spot.line, Outcome.QUARANTINED, Reason.LINE_TOO_LONG)
            self.spot.line += 1
            self.spot.records += 1
            self.overlong_done = True

    def close(self) -> None:
        if not self.key:
            return
        self.lines.close(self.spot, self.rng)
        self.stack.close()
        self.run.truth.add(self.spot)
        self.run.objects += 1
        self.key = ""
