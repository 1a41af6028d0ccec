"""Checks of raw tables: the law of counting, nothing held back, plausible values, and what the days look like."""

from collections.abc import Callable, Iterator, Mapping

import dagster as dg
import duckdb

from opensky_assets.calendar import Partitions, days_text
from opensky_assets.datasets import Dataset
from opensky_assets.ingest.quality import (
    MOST_QUARANTINED,
    TableDays,
    connection,
    missing_hours,
    quarantined_shares,
    read_days,
    repeats,
    stale_shares,
    usual_rows,
)
from opensky_assets.lake import Lake
from opensky_assets.lake.manifest import Manifest
from opensky_assets.partitions import run_days
from opensky_assets.resources.failures import tried_again
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas import Contract
from opensky_assets.schemas.contract import Column
from opensky_assets.wording import plural

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
            try:
                rows = lake.parquet(output.path).metadata.num_rows
            except FileNotFoundError:
                rows = None
            if rows != output.rows:
                problems.append(f"{output.path}: {'is gone' if rows is None else rows} instead of {output.rows} rows")
    return problems


def days_of_run(run: dg.DagsterRun, partitions: Partitions) -> list[str] | None:
    """The days, or years, of a table that a run is about; `None`: the whole table."""
    return None if partitions is Partitions.NONE else run_days(run)


def counting_law(asset: str, table: str, partitions: Partitions = Partitions.DAY) -> dg.AssetChecksDefinition:
    """read = written + quarantined + superseded, per object, recounted from the footers of the published files."""

    @dg.asset_check(
        asset=asset,
        name="counting_law",
        description="read = written + quarantined + superseded for every object, recounted from the published files",
    )
    def check(context: dg.AssetCheckExecutionContext, opensky: OpenSkyResource) -> dg.AssetCheckResult:
        with tried_again(context.retry_number):
            lake = opensky.open_lake()
            manifests = _concerned(lake, table, days_of_run(context.run, partitions))
            problems = broken_laws(lake, manifests)
        return dg.AssetCheckResult(
            passed=not problems,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"objects": len(manifests), "problems": problems[:MOST_TOLD]},
        )

    return check


def nothing_held_back(asset: str, table: str, partitions: Partitions = Partitions.DAY) -> dg.AssetChecksDefinition:
    """Fails, and fails the run, where an object with rows of the run's days is not in the lake."""

    @dg.asset_check(
        asset=asset,
        name="nothing_held_back",
        description="Every object of these days is in the lake. If not, the run fails after everything else is done",
    )
    def check(context: dg.AssetCheckExecutionContext, opensky: OpenSkyResource):  # type: ignore[no-untyped-def]
        days = days_of_run(context.run, partitions)
        wanted = None if days is None else set(days)
        with tried_again(context.retry_number):
            all_held = opensky.open_lake().held(table).values()
        held = [h for h in all_held if wanted is None or not h.days or not wanted.isdisjoint(h.days)]
        lost = {day for h in held for day in h.days if wanted is None or day in wanted}
        messages = [h.message for h in held]
        yield dg.AssetCheckResult(
            passed=not held,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"objects": messages[:MOST_TOLD], "days": days_text(lost)},
        )
        if held:
            raise dg.Failure(
                f"{len(held)} objects of {asset} are held back, days without them: {days_text(lost) or 'unknown'}. "
                + " | ".join(messages[:MOST_TOLD])
                + " | Rows that were published from them before stay. Repair the objects and run these days again: "
                "only these objects are read.",
                allow_retries=False,
            )

    return check


def _outside(column: Column) -> str | None:
    """SQL that is true outside the plausible range of the column; `None` where it has none."""
    bounds = [
        f'"{column.name}" {sign} {bound}'
        for sign, bound in (("<", column.minimum), (">", column.maximum))
        if bound is not None
    ]
    return " OR ".join(bounds) or None


def implausible(relation: duckdb.DuckDBPyRelation, contract: Contract) -> dict[str, int]:
    """Rows outside the plausible range, by column, for the columns that have one."""
    tests = {column.name: f"count(*) FILTER ({test})" for column in contract.columns if (test := _outside(column))}
    if not tests:
        return {}
    counts = relation.aggregate(", ".join(tests.values())).fetchall()[0]
    return {name: count for name, count in zip(tests, counts, strict=True) if count}


def implausible_row(relation: duckdb.DuckDBPyRelation, contract: Contract, name: str) -> str:
    """The row that is farthest outside the plausible range of a column: its value, and its key to find it by."""
    test = _outside(contract.by_name[name])
    assert test is not None
    shown = [name, *contract.key]
    order = ", ".join([f'abs("{name}") DESC', *(f'"{one}"' for one in shown)])
    row = relation.filter(test).order(order).limit(1).project(", ".join(f'"{one}"::VARCHAR' for one in shown))
    value, *key = row.fetchall()[0]
    return (
        f"{name} {value} where {' and '.join(f'{one} = {text}' for one, text in zip(contract.key, key, strict=True))}"
    )


def plausible_values(asset: str, contract: Contract) -> dg.AssetChecksDefinition:
    """Counts values outside the contract's plausible ranges. They stay in the table; this is where they show."""

    @dg.asset_check(
        asset=asset,
        name="plausible_values",
        description="Values within the plausible ranges of the contract; others stay in the table and are counted here",
    )
    def check(context: dg.AssetCheckExecutionContext, opensky: OpenSkyResource) -> dg.AssetCheckResult:
        counts: dict[str, int] = {}
        rows: list[str] = []
        with tried_again(context.retry_number):
            lake = opensky.open_lake()
            days = days_of_run(context.run, contract.partitions)
            paths = lake.locations(contract.path, days or lake.days(contract.path))
            if paths:
                with duckdb.connect() as connection:
                    lake.attach(connection)
                    relation = connection.read_parquet(paths)
                    counts = implausible(relation, contract)
                    rows = [implausible_row(relation, contract, name) for name in counts]
        return dg.AssetCheckResult(
            passed=not counts,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "files": len(paths),
                **{f"outside/{name}": count for name, count in counts.items()},
                **({"rows": rows[:MOST_TOLD]} if rows else {}),
            },
        )

    return check


MOST_STALE = 0.5
"""Recorded hours have up to 0.22."""

USUAL_ROWS = (0.5, 2.0)
"""Bounds of a day's rows over the median of the days before: weekends and holidays stay within."""

Finding = tuple[int, Mapping[str, str]]
"""How many days were looked at, and what is odd, by day."""


def odd_quarantine_shares(table: TableDays) -> Finding:
    shares = quarantined_shares(table)
    return len(shares), {day: f"{share:.2%}" for day, share in shares.items() if share > MOST_QUARANTINED}


def odd_hours(table: TableDays) -> Finding:
    missing = missing_hours(table)
    return len(missing), {
        day: "without " + ", ".join(f"{h:02d}" for h in hours) for day, hours in missing.items() if hours
    }


def odd_row_counts(table: TableDays) -> Finding:
    usual = usual_rows(table)
    low, high = USUAL_ROWS
    odd = {
        day: (table.rows[day], median) for day, median in usual.items() if not low <= table.rows[day] / median <= high
    }
    return len(usual), {
        day: f"{plural(rows, 'row')}, the median of the days before is {median:,.0f}"
        for day, (rows, median) in odd.items()
    }


def odd_repeats(table: TableDays) -> Finding:
    assert table.contract.day_column is not None
    with connection(table.lake) as duck:
        found = repeats(duck, table.files, "icao24", table.contract.day_column)
    return len(table.files), {day: plural(rows, "row") for day, rows in found.items()}


def odd_poll_repeats(table: TableDays) -> Finding:
    with connection(table.lake) as duck:
        found = repeats(duck, table.poll_files, "icao24", "lastcontact")
    return len(table.poll_files), {day: plural(rows, "row") for day, rows in found.items()}


def odd_stale_shares(table: TableDays) -> Finding:
    with connection(table.lake) as duck:
        shares = stale_shares(duck, table.files)
    return len(shares), {day: f"{share:.1%}" for day, share in shares.items() if share > MOST_STALE}


DAY_CHECKS: dict[str, tuple[Callable[[TableDays], Finding], str]] = {
    "quarantine_share": (odd_quarantine_shares, f"At most {MOST_QUARANTINED:.0%} of a day's records are in quarantine"),
    "usual_row_count": (
        odd_row_counts,
        f"A day has {USUAL_ROWS[0]:g} to {USUAL_ROWS[1]:g} times the median rows of the last 14 days of the lake "
        "of the same kind (from files, or from answers of the API)",
    ),
    "unique_key": (odd_repeats, "No two rows of a day have the same icao24 and time (of flights: lastseen)"),
}
STATE_CHECKS: dict[str, tuple[Callable[[TableDays], Finding], str]] = {
    "hours_present": (odd_hours, "A day that has an hourly file has all 24"),
    "polls_differ": (
        odd_poll_repeats,
        "No two rows of a day from polls have the same icao24 and lastcontact. Repeated rows stay in the table",
    ),
    "fresh_contacts": (
        odd_stale_shares,
        f"At most {MOST_STALE:.0%} of a day's states have a contact more than 15 s old",
    ),
}
"""Checks a day by name: what they measure, and what they say."""


def day_checks(
    asset: str, contract: Contract, checks: Mapping[str, tuple[Callable[[TableDays], Finding], str]]
) -> dg.AssetChecksDefinition:
    """Checks a day, in one step that reads the manifests once. They warn: the rows are in the table as they came."""

    @dg.multi_asset_check(
        name=f"{asset}_days",
        specs=[dg.AssetCheckSpec(name, asset=asset, description=text) for name, (_, text) in checks.items()],
        can_subset=True,
    )
    def check(context: dg.AssetCheckExecutionContext, opensky: OpenSkyResource) -> Iterator[dg.AssetCheckResult]:
        with tried_again(context.retry_number):
            table = read_days(opensky.open_lake(), contract, days_of_run(context.run, contract.partitions))
            found = {key.name: checks[key.name][0](table) for key in sorted(context.selected_asset_check_keys)}
        for name, (looked_at, odd) in found.items():
            yield dg.AssetCheckResult(
                asset_key=asset,
                check_name=name,
                passed=not odd,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"days": looked_at, "odd_days": len(odd), **dict(list(odd.items())[:MOST_TOLD])},
            )

    return check


def checks_of(dataset: Dataset) -> Iterator[dg.AssetChecksDefinition]:
    """The checks of a raw table: those of every table, and those a day that its partitions and its key allow."""
    asset, contract, partitions = dataset.asset, dataset.contract, dataset.partitions
    yield counting_law(asset, contract.name, partitions)
    yield nothing_held_back(asset, contract.name, partitions)
    yield plausible_values(asset, contract)
    yield day_checks(asset, contract, day_checks_for(dataset))


def day_checks_for(dataset: Dataset) -> dict[str, tuple[Callable[[TableDays], Finding], str]]:
    """The checks a day that fit a table. The median of the days before, and a key of aircraft and time, say nothing of
    other tables."""
    own = {name: check for name, check in STATE_CHECKS.items() if name in dataset.other_checks}
    if dataset.partitions is not Partitions.DAY:
        return {"quarantine_share": DAY_CHECKS["quarantine_share"], **own}
    if dataset.contract.key != ("icao24", dataset.contract.day_column):
        return {name: check for name, check in DAY_CHECKS.items() if name != "unique_key"} | own
    return {**DAY_CHECKS, **own}
