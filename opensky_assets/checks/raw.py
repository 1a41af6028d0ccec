"""Checks of raw tables: the law of counting, nothing held back, plausible values."""

import dagster as dg
import duckdb
import pyarrow.parquet as pq

from opensky_assets.lake import Lake
from opensky_assets.lake.manifest import Manifest
from opensky_assets.partitions import run_days, told_days
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas import Contract

MOST_TOLD = 20


def _concerned(lake: Lake, table: str, days: list[str] | None) -> list[Manifest]:
    wanted = None if days is None else set(days)
    manifests = lake.manifests(table).values()
    return [m for m in manifests if wanted is None or not wanted.isdisjoint(m.days)]


def broken_laws(lake: Lake, manifests: list[Manifest]) -> list[str]:
    """What is not as the law of counting wants it, a line each: counts that do not add up, files that are not there
    or hold another number of rows than the manifest says."""
    problems = []
    for manifest in manifests:
        if not manifest.lawful:
            problems.append(f"{manifest.source.key}: read {manifest.read}, accounted for {manifest.total.read}")
        shared = manifest.table == "aircraft_database"  # several tables share the one file
        for output in (*(() if shared else manifest.files), *manifest.quarantine_files):
            path = lake.path(output.path)
            rows = pq.read_metadata(path).num_rows if path.exists() else None
            if rows != output.rows:
                problems.append(f"{output.path}: {'is gone' if rows is None else rows} instead of {output.rows} rows")
    return problems


def counting_law(asset: str, table: str) -> dg.AssetChecksDefinition:
    """read = written + quarantined + superseded, per object, recounted from the footers of the published files."""

    @dg.asset_check(
        asset=asset,
        name="counting_law",
        description="read = written + quarantined + superseded for every object, recounted from the published files",
    )
    def check(context: dg.AssetCheckExecutionContext, opensky: OpenSkyResource) -> dg.AssetCheckResult:
        lake = opensky.open_lake()
        manifests = _concerned(lake, table, run_days(context.run))
        problems = broken_laws(lake, manifests)
        return dg.AssetCheckResult(
            passed=not problems,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"objects": len(manifests), "problems": problems[:MOST_TOLD]},
        )

    return check


def nothing_held_back(asset: str, table: str) -> dg.AssetChecksDefinition:
    """Fails, and fails the run, where an object with rows of the run's days is not in the lake."""

    @dg.asset_check(
        asset=asset,
        name="nothing_held_back",
        description="Every object of the days is in the lake. Where not, the run fails, after all else is done",
    )
    def check(context: dg.AssetCheckExecutionContext, opensky: OpenSkyResource):  # type: ignore[no-untyped-def]
        days = run_days(context.run)
        wanted = None if days is None else set(days)
        held = [
            h
            for h in opensky.open_lake().held(table).values()
            if wanted is None or not h.days or not wanted.isdisjoint(h.days)
        ]
        lost = {day for h in held for day in h.days if wanted is None or day in wanted}
        messages = [h.message for h in held]
        yield dg.AssetCheckResult(
            passed=not held,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"objects": messages[:MOST_TOLD], "days": told_days(lost)},
        )
        if held:
            raise dg.Failure(
                f"{len(held)} objects of {asset} are held back, days without them: {told_days(lost) or 'unknown'}. "
                + " | ".join(messages[:MOST_TOLD])
                + " | What was published of them before stays. Mend them and name these days again: only these "
                "objects are read.",
                allow_retries=False,
            )

    return check


def implausible(relation: duckdb.DuckDBPyRelation, contract: Contract) -> dict[str, int]:
    """Rows outside the plausible range, by column, for the columns that have one."""
    tests = {}
    for column in contract.columns:
        bounds = [
            f'"{column.name}" {sign} {bound}'
            for sign, bound in (("<", column.minimum), (">", column.maximum))
            if bound is not None
        ]
        if bounds:
            tests[column.name] = f"count(*) FILTER ({' OR '.join(bounds)})"
    counts = relation.aggregate(", ".join(tests.values())).fetchall()[0]
    return {name: count for name, count in zip(tests, counts, strict=True) if count}


def plausible_values(asset: str, contract: Contract) -> dg.AssetChecksDefinition:
    """Counts values outside the contract's plausible ranges. They stay in the table; this is where they show."""

    @dg.asset_check(
        asset=asset,
        name="plausible_values",
        description="Values within the plausible ranges of the contract; others stay in the table and are counted here",
    )
    def check(context: dg.AssetCheckExecutionContext, opensky: OpenSkyResource) -> dg.AssetCheckResult:
        lake = opensky.open_lake()
        found = lake.day_paths(contract.path, run_days(context.run) or lake.days(contract.path))
        paths = [str(path) for files in found.values() for path in files]
        counts: dict[str, int] = {}
        if paths:
            with duckdb.connect() as connection:
                counts = implausible(connection.read_parquet(paths), contract)
        return dg.AssetCheckResult(
            passed=not counts,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"files": len(paths), **{f"outside/{name}": count for name, count in counts.items()}},
        )

    return check
