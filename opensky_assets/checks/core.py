"""Checks of core tables against what they are made of."""

import dagster as dg
import duckdb

from opensky_assets.lake import Lake
from opensky_assets.partitions import run_days
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas import ENRICHED_FLIGHTS, FLIGHTS

_RAW_COLUMNS = ", ".join(f'"{name}"' for name in FLIGHTS.schema.names)
_FINGERPRINTS = f"""
    SELECT day, count(*), sum(hash({_RAW_COLUMNS})::HUGEINT)
    FROM read_parquet(?, hive_partitioning = true, hive_types_autocast = false) GROUP BY day
"""


def lost_or_doubled(lake: Lake, days: list[str]) -> dict[str, tuple[int, int]]:
    """Days on which the raw and the enriched flights are not the same multiset, with the rows of each.

    All raw columns are compared, by the sum of their hashes a day: a lost flight and a doubled one do not cancel out.
    """
    raw = [lake.location(path) for files in lake.committed(FLIGHTS.name, days).values() for path, _ in files]
    enriched = lake.locations(ENRICHED_FLIGHTS.path, days)
    sides = []
    with duckdb.connect() as connection:
        lake.attach(connection)
        for paths in (raw, enriched):
            rows = []
            if paths:
                rows = connection.execute(_FINGERPRINTS, [paths]).fetchall()
            sides.append({day: (count, total) for day, count, total in rows})
    one, other = sides
    return {
        day: (one.get(day, (0, 0))[0], other.get(day, (0, 0))[0])
        for day in sorted(one.keys() | other.keys())
        if one.get(day) != other.get(day)
    }


@dg.asset_check(
    asset="enriched_flights",
    name="no_flight_lost_or_doubled",
    description="On each day the enriched flights are the raw flights, all of them, each once",
)
def no_flight_lost_or_doubled(context: dg.AssetCheckExecutionContext, opensky: OpenSkyResource) -> dg.AssetCheckResult:
    lake = opensky.open_lake()
    wrong = lost_or_doubled(lake, run_days(context.run) or lake.days(ENRICHED_FLIGHTS.path))
    return dg.AssetCheckResult(
        passed=not wrong,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={f"raw, enriched rows/{day}": str(rows) for day, rows in list(wrong.items())[:20]},
    )
