"""What commands print: the plan and the summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from opensky_assets.calendar import NO_DAY, Partitions, ranges_of
from opensky_assets.console import printable
from opensky_assets.datasets import dataset_named
from opensky_assets.ingest.plan import RAW_TABLES, Plan, Planned, Status, lake_bytes, tables_by
from opensky_assets.ingest.replay import Replay
from opensky_assets.lake import Counts, Lake
from opensky_assets.lake.prune import Pruning
from opensky_assets.schemas import AIRCRAFT_DATABASE
from opensky_assets.settings import Settings
from opensky_assets.transforms.verify import Verified

AIRCRAFT_SECONDS_PER_MB = 0.1
"""On two cores, per megabyte of an aircraft table: reading, checking and writing."""

MOST_LISTED = 20


def plan_lines(plan: Plan, uri: str, kind: str, first: date, last: date) -> Iterable[str]:
    """The plan for a person."""
    yield f"source {uri} ({kind}), days {first} to {last}"
    days = plan.days(first, last)
    wanted, daily = set(days), tables_by(Partitions.DAY)
    seconds = 0.0
    due: list[Planned] = []
    for table in [*RAW_TABLES, AIRCRAFT_DATABASE.name]:
        found = plan.of(table, wanted if table in daily else None)
        counts = {status: [o for o in found if o.status is status] for status in Status}
        waiting = [o for o in found if o.is_due()]
        due += waiting
        to_read = sum(o.source.size for o in waiting) / 1e6
        dataset = dataset_named(table)
        seconds += to_read * (dataset.seconds_per_mb if dataset else AIRCRAFT_SECONDS_PER_MB)
        told = ", ".join(f"{len(objects)} {status}" for status, objects in counts.items())
        unknown = sum(o.days is None for o in found)
        yield f"  {table}: {len(found)} objects ({told}), {to_read:.1f} MB to read" + (
            f"; {unknown} whose name does not tell their days" if unknown else ""
        )
        if counts[Status.OUTDATED]:
            yield "    outdated ones were written by another version; `materialize --refresh` reads them again"
    yield f"  {len(days)} days have objects, in {len(ranges_of(days))} runs: {_told(days)}"
    yield (
        f"  expected: about {seconds:.0f} s of reading and 10 to 20 s a run; {lake_bytes(due) / 1e6:.1f} MB in the lake"
    )
    for name, keys in (
        ("gone from the source, rows kept", [printable(m.source.key) for m in plan.vanished]),
        (
            "flights of the API that an older version left out, and that cannot be read again",
            [printable(f"{m.source.key}: {m.total.superseded:,}") for m in plan.vanished if m.lacks_api_rows],
        ),
        ("not recognised, left alone", [printable(f"{key}: {why}") for key, why in plan.unrecognised.items()]),
        ("outside the calendar, left alone", [printable(key) for key in plan.outside_calendar]),
        ("could not be read now, left alone", [printable(message) for message in plan.unreadable]),
        (
            "in its tar and not read",
            [printable(f"{key}: {', '.join(names)}") for key, names in plan.other_members.items()],
        ),
    ):
        for line in keys[:MOST_LISTED]:
            yield f"  {name}: {line}"
        if len(keys) > MOST_LISTED:
            yield f"  {name}: and {len(keys) - MOST_LISTED} more"


def prune_lines(found: Pruning, dry_run: bool) -> Iterable[str]:
    """What prune removes, or would."""
    for item in found.items[:MOST_LISTED]:
        yield printable(f"  {item.path} ({item.bytes:,} bytes): {item.why}")
    if len(found.items) > MOST_LISTED:
        yield f"  and {len(found.items) - MOST_LISTED} more"
    verb = "would go" if dry_run else "removed"
    yield f"{len(found.items)} files and folders, {found.bytes:,} bytes {verb}"
    for table, days in found.days.items():
        yield f"  {table} {'would lose' if dry_run else 'loses'} rows of {len(days)} days: {_told(days)}"


def verify_lines(found: Verified, removed: Sequence[str] | None) -> Iterable[str]:
    """What verify found; `removed` are the records that a repair took away."""
    yield (
        f"{found.objects:,} objects and {found.days:,} days, {found.files:,} files with {found.rows:,} rows: "
        f"{len(found.problems):,} problem{'' if len(found.problems) == 1 else 's'}"
    )
    for problem in found.problems[:MOST_LISTED]:
        yield f"  {problem}"
    if len(found.problems) > MOST_LISTED:
        yield f"  and {len(found.problems) - MOST_LISTED:,} more"
    for path, days in found.due.items():
        yield f"  due, since its inputs have changed: {path}, {len(days)} days: {_told(days)}"
    if found.strays:
        told = f"{len(found.strays):,} files that no record names, as {found.strays[0]}"
        yield f"  {told}: `opensky-assets prune` removes raw ones, a run over their day the others"
    if removed is not None and removed:
        yield f"  {len(removed):,} records removed, so that their objects and days are due again"
    if found.problems or found.due:
        yield "  `opensky-assets backfill --from … --to …` makes what is due, from the source as it is now"


def replay_lines(done: Replay) -> Iterable[str]:
    """Before and after, by table."""
    for table in sorted({o.table for o in done.objects}):
        objects = [o for o in done.objects if o.table == table]
        before = sum((o.reasons_before for o in objects), Counter[str]())
        after = sum((o.reasons for o in objects), Counter[str]())
        yield (
            f"{table}: {len(objects)} objects read again; written {sum(o.written_before for o in objects):,} before, "
            f"{sum(o.written for o in objects):,} now; quarantined {before.total():,} before, {after.total():,} now"
        )
        for reason in sorted({*before, *after}):
            yield f"  {reason}: {before[reason]:,} before, {after[reason]:,} now"
    for key in done.gone[:MOST_LISTED]:
        yield f"  gone from the source, left as it is: {printable(key)}"
    if not done.objects:
        yield "nothing to read again: no object has such records in quarantine"


def _told(days: Iterable[str]) -> str:
    runs = [a if a == b else f"{a}…{b}" for a, b in ranges_of(days)]
    return ", ".join(runs[:12]) + (" …" if len(runs) > 12 else "")


def summary_lines(lake: Lake, settings: Settings, days: set[str] | None = None) -> Iterable[str]:
    """Read, written, quarantined of each table of the lake, and where everything is."""
    yield f"{'table':<20}{'objects':>8}{'read':>14}{'written':>14}{'quarantined':>13}{'superseded':>12}"
    daily = tables_by(Partitions.DAY)
    for table in [AIRCRAFT_DATABASE.name, *RAW_TABLES]:
        manifests = [
            m
            for m in lake.manifests(table).values()
            if days is None or table not in daily or not days.isdisjoint(m.days)
        ]
        total = sum((m.total for m in manifests), Counts())
        yield (
            f"{table:<20}{len(manifests):>8,}{sum(m.read for m in manifests):>14,}{total.written:>14,}"
            f"{total.quarantined:>13,}{total.superseded:>12,}"
        )
        undated = sum(m.days[NO_DAY].quarantined for m in manifests if table in RAW_TABLES and NO_DAY in m.days)
        if undated:
            yield f"{'':<20}of these in quarantine without a day: {undated:,}"
        for held in lake.held(table).values():
            yield f"{'':<20}held back: {printable(held.message)}"
    yield ""
    kind = {"simulated": " (SIMULATED data)", "real": ""}.get(lake.kind or "", "")
    yield f"lake       {lake}{kind}"
    yield f'warehouse  {Path(settings.warehouse).resolve()}: duckdb {settings.warehouse} "FROM routes"'
    if reports := [file for file in lake.files.walk("reports") if file.path.endswith("/report.html")]:
        yield f"report     {lake.address(max(reports, key=lambda page: page.modified).path)}"
    yield "UI         make dev (or: python -m opensky_assets dev), then http://127.0.0.1:3000"
