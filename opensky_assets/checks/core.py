"""Checks of core tables against what they are made of."""

import dagster as dg
import duckdb

from opensky_assets.lake import Lake
from opensky_assets.partitions import run_days
from opensky_assets.resources.failures import tried_again
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas import Contract
from opensky_assets.transforms.enrich import FLIGHT_ENRICHMENT, Enrichment


def _fingerprints(contract: Contract) -> str:
    columns = ", ".join(f'"{name}"' for name in contract.schema.names)
    return f"""
        SELECT day, count(*), sum(hash({columns})::HUGEINT)
        FROM read_parquet(?, hive_partitioning = true, hive_types_autocast = false) GROUP BY day
    """


def lost_or_doubled(lake: Lake, days: list[str], what: Enrichment = FLIGHT_ENRICHMENT) -> dict[str, tuple[int, int]]:
    """Days on which the raw and the enriched rows are not the same multiset, with the rows of each.

    All raw columns are compared, by the sum of their hashes a day: a lost row and a doubled one do not cancel out.
    """
    raw = [lake.location(path) for files in lake.committed(what.raw.name, days).values() for path, _ in files]
    enriched = lake.locations(what.result.path, days)
    sides = []
    with duckdb.connect() as connection:
        lake.attach(connection)
        for paths in (raw, enriched):
            rows = []
            if paths:
                rows = connection.execute(_fingerprints(what.raw), [paths]).fetchall()
            sides.append({day: (count, total) for day, count, total in rows})
    one, other = sides
    return {
        day: (one.get(day, (0, 0))[0], other.get(day, (0, 0))[0])
        for day in sorted(one.keys() | other.keys())
        if one.get(day) != other.get(day)
    }


def nothing_lost_or_doubled(what: Enrichment, rows: str) -> dg.AssetChecksDefinition:
    """The check that the rows of an enriched table are those of its raw table."""

    @dg.asset_check(
        asset=what.result.name,
        name=f"no_{rows}_lost_or_doubled",
        description=f"On each day the enriched {rows}s are the raw {rows}s, all of them, each once",
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
