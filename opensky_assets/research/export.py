"""Rows to a file in the format of a map, a spreadsheet or a table."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from opensky_assets.research.excel import write_excel
from opensky_assets.research.geojson import write_geojson
from opensky_assets.research.geoparquet import write_geoparquet
from opensky_assets.research.interval import QuestionError
from opensky_assets.research.kml import write_kml

Writer = Callable[[pa.Table, Path], None]


def _write_parquet(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd")


MAPS: dict[str, Writer] = {"geojson": write_geojson, "geoparquet": write_geoparquet, "kml": write_kml}
"""Formats of rows with positions."""
WRITERS: dict[str, Writer] = {**MAPS, "xlsx": write_excel}
"""Formats that DuckDB does not write by itself."""


def save(table: pa.Table, path: Path, format: str | None = None) -> Path:
    """Write a table to a file, by default in the format that its name ends in. A file that is there is replaced once
    the new one is complete. Raises `QuestionError`."""
    writers = {"parquet": _write_parquet, **WRITERS}
    style = format or path.suffix.removeprefix(".").lower()
    if style not in writers:
        hint = "; .pandas().to_csv(…) writes CSV" if style == "csv" else ""
        raise QuestionError(f"{path}: the format {style!r} is not one of {', '.join(writers)}{hint}")
    if not path.parent.is_dir():
        raise QuestionError(f"{path}: there is no folder {path.parent}; make it first")
    staged = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        writers[style](table, staged)
        os.replace(staged, path)
    except (ValueError, pa.ArrowException) as error:
        raise QuestionError(f"{path}: {error}") from None
    finally:
        staged.unlink(missing_ok=True)
    return path
