"""What commands print: the plan and the summary."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from opensky_assets.ingest.plan import RAW_TABLES, Plan, Status, stretches
from opensky_assets.lake import Counts, Lake
from opensky_assets.lake.manifest import NO_DAY
from opensky_assets.schemas import AIRCRAFT_DATABASE
from opensky_assets.settings import Settings

SECONDS_PER_MB = {"flights": 0.15, "state_vectors": 0.07}
"""Measured on two cores, per megabyte of the compressed object: reading, checking and writing."""

LAKE_BYTES_PER_SOURCE_BYTE = 1.2
"""Measured on both raw tables: Parquet is about as large as the gzipped text, and core tables add to it."""


def say(text: str = "") -> None:
    print(text, flush=True)


def plan_lines(plan: Plan, uri: str, kind: str, first: date, last: date) -> Iterable[str]:
    """The plan for a person."""
    yield f"source {uri} ({kind}), days {first} to {last}"
    days = plan.days(first, last)
    wanted = set(days)
    seconds = size_to_read = 0.0
    for table in [*RAW_TABLES, AIRCRAFT_DATABASE.name]:
        found = plan.of(table, wanted if table in RAW_TABLES else None)
        counts = {status: [o for o in found if o.status is status] for status in Status}
        waiting = counts[Status.NEW] + counts[Status.CHANGED]
        to_read = sum(o.source.size for o in waiting) / 1e6
        size_to_read += to_read
        seconds += to_read * SECONDS_PER_MB.get(table, 0.1)
        told = ", ".join(f"{len(objects)} {status}" for status, objects in counts.items())
        unknown = sum(o.days is None for o in found)
        yield f"  {table}: {len(found)} objects ({told}), {to_read:.1f} MB to read" + (
            f"; {unknown} whose name does not tell their days" if unknown else ""
        )
    runs = [a if a == b else f"{a}…{b}" for a, b in stretches(days)]
    told = ", ".join(runs[:12]) + (" …" if len(runs) > 12 else "")
    yield f"  {len(days)} days have objects, in {len(runs)} runs: {told}"
    yield (
        f"  expected: about {seconds:.0f} s of reading and 10 to 20 s a run; "
        f"{size_to_read * LAKE_BYTES_PER_SOURCE_BYTE:.1f} MB in the lake"
    )
    for name, keys in (
        ("gone from the source, rows kept", [m.source.key for m in plan.vanished]),
        ("not recognised, left alone", plan.unrecognised),
        ("outside the calendar, left alone", plan.outside_calendar),
    ):
        for key in list(keys)[:20]:
            yield f"  {name}: {key}"
        if len(keys) > 20:
            yield f"  {name}: and {len(keys) - 20} more"


def summary_lines(lake: Lake, settings: Settings, days: set[str] | None = None) -> Iterable[str]:
    """Read, written, quarantined of each table of the lake, and where everything is."""
    yield f"{'table':<20}{'objects':>8}{'read':>14}{'written':>14}{'quarantined':>13}{'superseded':>12}"
    for table in [AIRCRAFT_DATABASE.name, *RAW_TABLES]:
        manifests = [
            m
            for m in lake.manifests(table).values()
            if days is None or table not in RAW_TABLES or not days.isdisjoint(m.days)
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
            yield f"{'':<20}held back: {held.message}"
    yield ""
    kind = {"simulated": " (SIMULATED data)", "real": ""}.get(lake.kind or "", "")
    yield f"lake       {lake.root}{kind}"
    yield f'warehouse  {Path(settings.warehouse).resolve()}: duckdb {settings.warehouse} "FROM routes"'
    yield "UI         make dev (or: python -m opensky_assets dev), then http://127.0.0.1:3000"


def error(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
