"""`flights` out of `raw_flights`: which files a run reads, what it publishes, and the law of its counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from opensky_assets.calendar import days_around
from opensky_assets.lake import Lake, LakeError
from opensky_assets.lake.days import DayRows, Replaced
from opensky_assets.lake.manifest import Inputs
from opensky_assets.lake.tables import ParquetTables
from opensky_assets.schemas import CORE_FLIGHTS, FLIGHTS, SUPERSEDED_FLIGHTS
from opensky_assets.sources.keys import is_flight_answer
from opensky_assets.storage.errors import Overtaken
from opensky_assets.transforms.inputs import Files, Work, manifests_of, raw_versions, work_on

REACH_DAYS = 1
"""Days before and after a flight's own whose list flights can supersede it."""

LIST, API = "list", "api"

MEASURES = ("inputs", "flights", "repeated", "superseded")

Counts = Mapping[str, Mapping[str, int]]
"""Day → `<measure>:<origin_kind>` → records. The law: inputs = flights + repeated + superseded, by origin."""

OBJECTS = pa.schema([("file_name", pa.string()), ("source_object", pa.string()), ("origin_kind", pa.string())])


@dataclass(frozen=True)
class Made:
    """The rows of the days of a run. `superseded`, a small table, and `counts` are there once `flights` are read."""

    flights: pa.RecordBatchReader
    superseded: Callable[[], pa.Table]
    counts: Counts


def inputs_of_flights(lake: Lake, days: Iterable[str]) -> dict[str, Inputs]:
    """What each of the days of `flights` is made of: the raw flights up to `REACH_DAYS` around it. Days without raw
    flights of their own are not in it."""
    wanted = list(days)
    versions = raw_versions(lake, FLIGHTS, days_around(wanted, REACH_DAYS, REACH_DAYS))
    return {
        day: {f"{FLIGHTS.path}/{d}": versions[d] for d in days_around([day], REACH_DAYS, REACH_DAYS) if d in versions}
        | {"contract": CORE_FLIGHTS.version}
        for day in wanted
        if day in versions
    }


def work_on_flights(lake: Lake, asked: Sequence[str]) -> Work:
    """A run over the days `asked` also makes days anew that a flight list, or an answer, of these days reaches."""
    inputs_of = partial(inputs_of_flights, lake)
    return work_on(lake, CORE_FLIGHTS, FLIGHTS, inputs_of, asked, REACH_DAYS, REACH_DAYS)


def objects_of(lake: Lake, files: Files) -> pa.Table:
    """Which object each raw file is from, by the name of the file, and whether that is a list or an answer."""
    names = {path for of_day in files.values() for path, _ in of_day}
    rows = {
        (file.path.rsplit("/", 1)[1], manifest.source.key, API if is_flight_answer(manifest.source.key) else LIST)
        for manifest in manifests_of(lake, FLIGHTS, files)
        for file in manifest.files
        if file.path in names
    }
    return pa.Table.from_pylist([dict(zip(OBJECTS.names, row, strict=True)) for row in sorted(rows)], schema=OBJECTS)


def publish_flights(lake: Lake, work: Work, made: Made) -> Replaced:
    """Publish the flights of a run's days, and those that gave way to them. Raises `Overtaken` where the raw flights
    have changed meanwhile, `LakeError` where the counts do not add up; then nothing is published."""
    now = partial(inputs_of_flights, lake)

    def require(rows: Mapping[str, int]) -> None:
        gone = Counter(str(day) for day in made.superseded()["day"].to_pylist())
        for day in work.inputs:
            raw = sum(count for _, count in work.files.get(day, ()))
            try:
                require_lawful(day, made.counts.get(day, {}), rows.get(day, 0), gone[day], raw)
            except LakeError:
                _require_unchanged(lake, day, work.inputs[day])
                raise

    tables = ParquetTables(lake)
    done, _ = tables.write_days(CORE_FLIGHTS, DayRows(made.flights, work.inputs, now, made.counts, require))
    gone, _ = tables.write_days(SUPERSEDED_FLIGHTS, DayRows(made.superseded().to_reader(), work.inputs, now))
    done.require_all("flights")
    gone.require_all("superseded_flights")
    return done


def _require_unchanged(lake: Lake, day: str, inputs: Inputs) -> None:
    """Raise `Overtaken` where the raw files are not those that the day was to be made of: in a folder, a new version
    of an object takes the place of the old one before its manifest does."""
    changed = dict(inputs_of_flights(lake, [day]).get(day, {})) != dict(inputs)
    if changed or lake.broken_keys(FLIGHTS.name):
        raise Overtaken(f"flights of {day}: raw flights were replaced while they were read; run again")


def require_lawful(day: str, counts: Mapping[str, int], flights: int, superseded: int, raw: int) -> None:
    """Raise `LakeError` unless the counts of a day add up, by origin, and are those of its raw and made rows."""
    kinds = {name.split(":")[1] for name in counts}
    lawful = all(counts[f"inputs:{k}"] == sum(counts[f"{name}:{k}"] for name in MEASURES[1:]) for k in kinds)
    counted = (total_of(counts, "inputs"), total_of(counts, "flights"), total_of(counts, "superseded"))
    if not lawful or counted != (raw, flights, superseded):
        raise LakeError(
            f"flights of {day}: {raw} raw records, {flights} flights and {superseded} superseded ones, but "
            f"{dict(counts)} were counted. This is a defect of this package: please report it with the day's objects"
        )


def total_of(counts: Mapping[str, int], measure: str) -> int:
    """A measure over lists and answers."""
    return sum(records for name, records in counts.items() if name.split(":")[0] == measure)


def counts_of(rows: Iterable[tuple[object, str, int, int, int, int]]) -> dict[str, dict[str, int]]:
    """Rows of (day, origin_kind, records, flights, repeated, superseded) as `Counts`."""
    found: dict[str, dict[str, int]] = {}
    for day, kind, *records in rows:
        found.setdefault(str(day), {}).update({f"{name}:{kind}": n for name, n in zip(MEASURES, records, strict=True)})
    return found
