"""Checks of core tables against what they are made of."""

from collections.abc import Sequence

import dagster as dg
import duckdb
import pyarrow as pa

from opensky_assets.lake import Lake
from opensky_assets.partitions import run_days
from opensky_assets.resources.failures import tried_again
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas import CORE_FLIGHTS, FLIGHTS, SUPERSEDED_FLIGHTS
from opensky_assets.transforms.enrich import FLIGHT_ENRICHMENT, Enrichment
from opensky_assets.transforms.flights import MEASURES, total_of
from opensky_assets.transforms.inputs import files_of, is_raw
from opensky_assets.transforms.repeats import overlapping

_ROWS = "read_parquet(?, hive_partitioning = true, hive_types_autocast = false)"

Fingerprints = dict[str, tuple[int, int]]
"""By day, how many rows there are, and the sum of their hashes: a lost row and a doubled one do not cancel out."""


def _fingerprints(
    duck: duckdb.DuckDBPyConnection, paths: list[str], columns: Sequence[str], distinct: bool = False
) -> Fingerprints:
    names = ", ".join(f'"{name}"' for name in columns)
    rows = f"(SELECT DISTINCT day, {names} FROM {_ROWS})" if distinct else _ROWS
    query = f"SELECT day, count(*), sum(hash({names})::HUGEINT) FROM {rows} GROUP BY day"
    found = duck.execute(query, [paths]).fetchall() if paths else []
    return {day: (count, total) for day, count, total in found}


def lost_or_doubled(lake: Lake, days: list[str], what: Enrichment = FLIGHT_ENRICHMENT) -> dict[str, tuple[int, int]]:
    """Days on which the rows before and after an enrichment are not the same multiset, with the rows of each.

    All columns of the table before are compared. Where several objects of a raw table overlap in time, so that a key
    may stand in each, the enriched rows must be its distinct keys, each once.
    """
    before = files_of(lake, what.raw, days)
    may_repeat = {day for day, files in before.items() if is_raw(what.raw) and _overlap(lake, what, files)}
    wrong: dict[str, tuple[int, int]] = {}
    with duckdb.connect() as duck:
        lake.attach(duck)
        for chosen, columns, distinct in (
            ([day for day in days if day not in may_repeat], what.raw.schema.names, False),
            ([day for day in days if day in may_repeat], list(what.raw.key), True),
        ):
            raw = [lake.location(path) for day in chosen for path, _ in before.get(day, ())]
            one = _fingerprints(duck, raw, columns, distinct)
            other = _fingerprints(duck, lake.locations(what.result.path, chosen), columns)
            wrong |= {
                day: (one.get(day, (0, 0))[0], other.get(day, (0, 0))[0])
                for day in one.keys() | other.keys()
                if one.get(day) != other.get(day)
            }
    return dict(sorted(wrong.items()))


def _overlap(lake: Lake, what: Enrichment, files: Sequence[tuple[str, int]]) -> bool:
    return any(len(group.files) > 1 for group in overlapping(what.raw, lake, files))


def flights_not_accounted_for(lake: Lake, days: list[str]) -> dict[str, str]:
    """Days on which `flights` is not what the raw flights come to, with what is wrong.

    Counted anew over the files: each distinct (icao24, firstseen, lastseen) of the raw flights is one row of `flights`
    or of `superseded_flights`, and what is left over are the repeated records that the day's record tells.
    """
    sides = {"raw": [lake.location(p) for files in lake.committed(FLIGHTS.name, days).values() for p, _ in files]}
    sides |= {c.path: lake.locations(c.path, days) for c in (CORE_FLIGHTS, SUPERSEDED_FLIGHTS)}
    key = ", ".join(CORE_FLIGHTS.key)
    with duckdb.connect() as duck:
        lake.attach(duck)
        rows, keys = {}, {}
        for name, paths in sides.items():
            rows[name] = _fingerprints(duck, paths, CORE_FLIGHTS.key)
            query = f"SELECT DISTINCT day, {key} FROM {_ROWS}"
            found = duck.sql(query, params=[paths]).to_arrow_table() if paths else None
            keys[name] = found if found is not None else pa.table({name: [] for name in ("day", *CORE_FLIGHTS.key)})
        duck.register("raw_keys", keys["raw"])
        duck.register("kept", keys[CORE_FLIGHTS.path])
        duck.register("gone", keys[SUPERSEDED_FLIGHTS.path])
        made = "(FROM kept UNION ALL FROM gone)"
        odd = duck.execute(
            f"SELECT day, count(*) FROM ((FROM raw_keys EXCEPT ALL FROM {made}) UNION ALL "
            f"(FROM {made} EXCEPT ALL FROM raw_keys)) GROUP BY day"
        ).fetchall()
        distinct = dict(duck.execute("SELECT day, count(*) FROM raw_keys GROUP BY day").fetchall())
    wrong = {day: f"{count} flights are missing, or are in both tables, or no raw flights" for day, count in odd}
    for day, record in lake.day_records(CORE_FLIGHTS.path, days).items():
        raw, kept, gone = (rows[name].get(day, (0, 0))[0] for name in sides)
        counted = [total_of(record.counts, name) for name in MEASURES]
        recounted = [raw, kept, raw - distinct.get(day, 0), gone]
        if counted != recounted:
            told = ", ".join(f"{n} {a} instead of {b}" for n, a, b in zip(MEASURES, counted, recounted, strict=True))
            wrong.setdefault(day, f"the record of the day has {told}")
    return dict(sorted(wrong.items()))


@dg.asset_check(
    asset="flights",
    description="Each raw flight counts once: inputs = flights + repeated + superseded, recounted from the files",
)
def each_flight_once(context: dg.AssetCheckExecutionContext, opensky: OpenSkyResource) -> dg.AssetCheckResult:
    with tried_again(context.retry_number):
        lake = opensky.open_lake()
        wrong = flights_not_accounted_for(lake, run_days(context.run) or lake.days(CORE_FLIGHTS.path))
    return dg.AssetCheckResult(
        passed=not wrong, severity=dg.AssetCheckSeverity.ERROR, metadata=dict(list(wrong.items())[:20])
    )


def nothing_lost_or_doubled(what: Enrichment, rows: str) -> dg.AssetChecksDefinition:
    """The check that the rows of an enriched table are those of the table before it."""

    @dg.asset_check(
        asset=what.result.name,
        name=f"no_{rows}_lost_or_doubled",
        description=f"The enriched table has all {rows}s of each day, each exactly once",
    )
    def check(context: dg.AssetCheckExecutionContext, opensky: OpenSkyResource) -> dg.AssetCheckResult:
        with tried_again(context.retry_number):
            lake = opensky.open_lake()
            wrong = lost_or_doubled(lake, run_days(context.run) or lake.days(what.result.path), what)
        return dg.AssetCheckResult(
            passed=not wrong,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={f"raw, enriched rows/{day}": str(rows) for day, rows in list(wrong.items())[:20]},
        )

    return check
