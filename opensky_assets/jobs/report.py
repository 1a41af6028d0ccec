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
from opensky_assets.wording import plural, program

AIRCRAFT_SECONDS_PER_MB = 0.1
"""On two cores, per megabyte of an aircraft table: reading, checking and writing."""

MOST_LISTED = 20


def plan_lines(
    plan: Plan, uri: str, kind: str, first: date, last: date, due_days: Sequence[str] | None = None
) -> Iterable[str]:
    """The plan for a person. `due_days`: those of which an object is to be read or a table is to be made."""
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
        yield f"  {table}: {plural(len(found), 'object')} ({told}), {to_read:.1f} MB to read" + (
            f"; {unknown:,} without days in the name" if unknown else ""
        )
        if counts[Status.OUTDATED]:
            yield "    outdated: the rows are from another version; `materialize --refresh` reads them again"
    ranges = plural(len(ranges_of(days)), "run")
    yield f"  {plural(len(days), 'day')} {'has' if len(days) == 1 else 'have'} objects, in {ranges}: {_told(days)}"
    if due or due_days:
        size = f"{lake_bytes(due) / 1e6:.1f} MB in the lake"
        yield f"  expected: about {seconds:.0f} s of reading and 10 to 20 s a run; {size}"
    if due_days is not None:
        yield from _what_is_due(due, due_days)
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


def _what_is_due(due: Sequence[Planned], due_days: Sequence[str]) -> Iterable[str]:
    if not due and not due_days:
        yield "  nothing to do: the lake has every object of the source, and all tables are up to date"
    elif not due:
        verb = "is" if len(due_days) == 1 else "are"
        yield f"  no object is to be read; {plural(len(due_days), 'day')} of tables {verb} due: {_told(due_days)}"


def prune_lines(found: Pruning, dry_run: bool) -> Iterable[str]:
    """What prune removes, or would."""
    for item in found.items[:MOST_LISTED]:
        yield printable(f"  {item.path} ({item.bytes:,} bytes): {item.why}")
    if len(found.items) > MOST_LISTED:
        yield f"  and {len(found.items) - MOST_LISTED} more"
    verb = "would be removed" if dry_run else "removed"
    yield f"{plural(len(found.items), 'file or folder', 'files and folders')}, {found.bytes:,} bytes {verb}"
    for table, days in found.days.items():
        yield f"  {table} {'would lose' if dry_run else 'loses'} rows of {plural(len(days), 'day')}: {_told(days)}"


def verify_lines(found: Verified, removed: Sequence[str] | None) -> Iterable[str]:
    """What verify found; `removed` are the records that a repair took away."""
    yield (
        f"{plural(found.objects, 'object')} and {plural(found.days, 'day')}, {plural(found.files, 'file')} with "
        f"{plural(found.rows, 'row')}: {plural(len(found.problems), 'problem')}"
    )
    for problem in found.problems[:MOST_LISTED]:
        yield f"  {problem}"
    if len(found.problems) > MOST_LISTED:
        yield f"  and {len(found.problems) - MOST_LISTED:,} more"
    for path, days in found.due.items():
        yield f"  due, since the inputs have changed: {path}, {plural(len(days), 'day')}: {_told(days)}"
    if found.strays:
        told = f"{plural(len(found.strays), 'file')} that no manifest or day record names, as {found.strays[0]}"
        yield f"  {told}: `opensky-assets prune` removes those of raw tables, a run over their day removes the others"
    if removed is not None and removed:
        yield f"  {plural(len(removed), 'record')} removed, so that their objects and days are due again"
    if found.problems or found.due:
        yield "  `opensky-assets backfill --from … --to …` makes what is due, from the source as it is now"


def replay_lines(done: Replay) -> Iterable[str]:
    """Before and after, by table."""
    for table in sorted({o.table for o in done.objects}):
        objects = [o for o in done.objects if o.table == table]
        before = sum((o.reasons_before for o in objects), Counter[str]())
        after = sum((o.reasons for o in objects), Counter[str]())
        old, new = sum(o.written_before for o in objects), sum(o.written for o in objects)
        yield (
            f"{table}: {plural(len(objects), 'object')} read again; written {old:,} before, {new:,} now; "
            f"quarantined {before.total():,} before, {after.total():,} now"
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
    yield f"warehouse  {Path(settings.warehouse).resolve()}"
    if reports := [file for file in lake.files.walk("reports") if file.path.endswith("/report.html")]:
        yield f"report     {lake.address(max(reports, key=lambda page: page.modified).path)}"
    yield f'query      {program()} sql "FROM routes LIMIT 5"'
    yield f"UI         {program()} dev, then http://127.0.0.1:3000"
