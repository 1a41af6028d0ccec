"""What happened to the records of each day, counted from manifests and the records of core days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from opensky_assets.calendar import NO_DAY
from opensky_assets.datasets import daily_contracts
from opensky_assets.lake import Lake
from opensky_assets.lake.manifest import Manifest
from opensky_assets.schemas import CORE_FLIGHTS, ENRICHED_STATES, Column, Contract
from opensky_assets.schemas.dbt_project import COUNTS
from opensky_assets.schemas.tables import Table, table_of
from opensky_assets.transforms.inputs import manifests_of

COUNTS_TABLE = Contract(
    name=COUNTS,
    path="",
    version="1",
    description="What happened to the records of each table on each day.",
    key=("table_name", "measure"),
    columns=(
        Column("table_name", pa.string(), "Name of the table that the measure is about", nullable=False),
        Column("measure", pa.string(), "What is counted, as data_quality_daily says", nullable=False),
        Column("records", pa.int64(), "How many records", "records", nullable=False, minimum=0),
    ),
)
"""The source `counts` of dbt: no table of the lake, but what its manifests and records count."""


def tables_counted() -> list[Table]:
    """The tables whose manifests or records are counted: `counts` is made of these."""
    return [table_of(contract) for contract in (*daily_contracts(), CORE_FLIGHTS, ENRICHED_STATES)]


Count = tuple[str, str, str, int]
"""Day, table, measure, records."""


def daily_counts(lake: Lake, days: Iterable[str]) -> Iterator[tuple[str, dict[tuple[str, str], int]]]:
    """What the manifests and the records of core days count, by day and then by (table, measure).

    Records whose day cannot be told stand as `undated:<reason>` on the first day of their object, so that none is
    left out.
    """
    wanted = set(days)
    sums: dict[str, dict[tuple[str, str], int]] = {}
    for day, table, measure, records in _counts(lake, wanted):
        if day in wanted:
            counts = sums.setdefault(day, {})
            counts[table, measure] = counts.get((table, measure), 0) + records
    yield from sorted(sums.items())


def _counts(lake: Lake, days: set[str]) -> Iterator[Count]:
    for contract in daily_contracts():
        for manifest in manifests_of(lake, contract, days):
            yield from _of_object(contract.name, manifest)
    for day, record in lake.day_records(CORE_FLIGHTS.path, days).items():
        for measure, records in record.counts.items():
            yield day, CORE_FLIGHTS.name, measure, records
    for day, record in lake.day_records(ENRICHED_STATES.path, days).items():
        if inputs := record.counts.get("inputs"):
            yield day, ENRICHED_STATES.name, "inputs", inputs
            yield day, ENRICHED_STATES.name, "states", record.rows
            yield day, ENRICHED_STATES.name, "repeated", inputs - record.rows


def _of_object(table: str, manifest: Manifest) -> Iterator[Count]:
    dated = [day for day in manifest.days if day != NO_DAY]
    for day in dated:
        counts = manifest.days[day]
        yield day, table, "read", counts.read
        yield day, table, "written", counts.written
        yield day, table, "quarantined", counts.quarantined
        if counts.superseded:
            yield day, table, "superseded", counts.superseded
        for reason, records in manifest.reasons.get(day, {}).items():
            yield day, table, f"quarantined:{reason}", records
    if dated:
        for reason, records in manifest.reasons.get(NO_DAY, {}).items():
            yield min(dated), table, f"undated:{reason}", records
