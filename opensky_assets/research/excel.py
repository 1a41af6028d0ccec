"""Rows as an Excel workbook. Excel's times have no zone: the header says which one it is."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from xlsxwriter.worksheet import Worksheet

MOST_ROWS = 1_048_576 - 1
"""Rows of a sheet below its header."""
LONGEST_TEXT = 32_767


def write_excel(table: pa.Table, path: Path) -> None:
    """Write the rows to the sheet `rows`, text as text, whatever it begins with. Raises `ValueError` for too many."""
    from xlsxwriter import Workbook

    if table.num_rows > MOST_ROWS:
        raise ValueError(f"{table.num_rows:,} rows: a sheet of Excel holds {MOST_ROWS:,}; choose csv or parquet")
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with Workbook(str(path), options) as book:
        styles = {
            "time": book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            "day": book.add_format({"num_format": "yyyy-mm-dd"}),
        }
        sheet = book.add_worksheet("rows")
        sheet.freeze_panes(1, 0)
        for column, field in enumerate(table.schema):
            sheet.set_column(column, column, 20 if pa.types.is_temporal(field.type) else 14)
            sheet.write_string(0, column, _header(field), book.add_format({"bold": True}))
        at = 1
        for batch in table.to_batches(10_000):
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                for column, value in enumerate(row):
                    _write(sheet, at, column, value, styles)
                at += 1


def _header(field: pa.Field) -> str:
    if pa.types.is_timestamp(field.type):
        return f"{field.name} ({'UTC' if field.type.tz else 'local time'})"
    return field.name


def _write(sheet: Worksheet, row: int, column: int, value: Any, styles: dict[str, Any]) -> None:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, int | float | Decimal):
        sheet.write_number(row, column, value)
    elif isinstance(value, datetime):
        naive = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        sheet.write_datetime(row, column, naive, styles["time"])
    elif isinstance(value, date):
        sheet.write_datetime(row, column, value, styles["day"])
    else:
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        sheet.write_string(row, column, text[:LONGEST_TEXT])
