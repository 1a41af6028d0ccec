"""What Dagster shows of a table, from its contract."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pyarrow as pa

from opensky_assets.ingest.sync import SyncReport
from opensky_assets.lake import Lake
from opensky_assets.schemas import Contract
from opensky_assets.schemas.contract import Column
from opensky_assets.sources.keys import hours_of

PREVIEW_ROWS = 5


def table_metadata(contract: Contract) -> dict[str, Any]:
    """Metadata of an asset's definition: columns with units, and the table's name."""
    return {
        "dagster/column_schema": dg.TableSchema(columns=[_column(c) for c in contract.columns]),
        "dagster/table_name": contract.path,
        "contract_version": contract.version,
    }


def _column(column: Column) -> dg.TableColumn:
    described = f"{column.description} [{column.unit}]" if column.unit else column.description
    return dg.TableColumn(
        column.name,
        str(column.type),
        described,
        dg.TableColumnConstraints(nullable=column.nullable, other=_plausible(column)),
    )


def _plausible(column: Column) -> list[str]:
    low = [] if column.minimum is None else [f"plausible from {column.minimum:g}"]
    high = [] if column.maximum is None else [f"plausible to {column.maximum:g}"]
    return low + high


def lineage(columns: dict[str, list[tuple[str, str]]]) -> dict[str, Any]:
    """Column lineage metadata: column → [(asset, column), …]."""
    deps = {
        name: [dg.TableColumnDep(asset_key=dg.AssetKey(asset), column_name=column) for asset, column in sources]
        for name, sources in columns.items()
    }
    return {"dagster/column_lineage": dg.TableColumnLineage(deps)}


def preview(table: pa.Table | pa.RecordBatch) -> dg.MarkdownMetadataValue:
    """The first rows as a table of text."""
    head = table.slice(0, PREVIEW_ROWS)
    rows = [[_cell(value) for value in row.values()] for row in head.to_pylist()]
    lines = ["| " + " | ".join(row) + " |" for row in (head.column_names, ["---"] * head.num_columns, *rows)]
    return dg.MarkdownMetadataValue("\n".join(lines))


def _cell(value: object) -> str:
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")


MOST_PREVIEWS = 31
"""Runs over more days show no rows a day: the event log would hold more text than it has facts."""


def day_metadata(done: SyncReport, lake: Lake, contract: Contract) -> dict[str, dict[str, Any]]:
    """The facts of each good day of a raw table, by day."""
    found: dict[str, dict[str, Any]] = {}
    for day in done.good_days:
        facts = done.days[day]
        hours = hours_of(facts.objects)
        found[day] = {
            "dagster/partition_row_count": facts.counts.written,
            "dagster/uri": lake.uri(f"{contract.path}/{contract.partitions.folder_of(day)}"),
            "read": facts.counts.read,
            "written": facts.counts.written,
            "quarantined": facts.counts.quarantined,
            "objects": facts.objects,
            **({"hours_present": hours, "hours_missing": sorted({*range(24)} - {*hours})} if hours else {}),
            **({"quarantined_by_reason": facts.reasons} if facts.reasons else {}),
            **({"incomplete_without": facts.waiting} if facts.waiting else {}),
        }
    add_previews(found, lake, contract)
    return found


def add_previews(facts: dict[str, dict[str, Any]], lake: Lake, contract: Contract) -> None:
    """Add the first rows of each day to its facts."""
    if len(facts) <= MOST_PREVIEWS:
        for day, files in lake.day_files(contract.path, facts).items():
            facts[day]["preview"] = preview(next(lake.parquet(files[0]).iter_batches(PREVIEW_ROWS)))
