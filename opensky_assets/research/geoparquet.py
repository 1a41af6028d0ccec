"""Rows as GeoParquet 1.1.0: a Parquet file with a column of WKB geometries, and metadata that says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from opensky_assets.research.geometry import Positions, find_positions

VERSION = "1.1.0"
COLUMN = "geometry"
POINT, LINE_STRING = 1, 2
"""Kinds of geometry in ISO WKB."""


def write_geoparquet(table: pa.Table, path: Path) -> None:
    """Write the rows with a geometry behind their columns. Without a CRS in the metadata, as here, it is OGC:CRS84:
    longitude before latitude, WGS84. Raises `NoPositions`."""
    positions = find_positions(table.column_names)
    if COLUMN in table.column_names:
        raise ValueError(f"there is a column {COLUMN!r} already: give it another name")
    columns = [pc.if_else(pc.is_finite(c), c, None) for c in map(_doubles(table), positions.columns)]
    there = np.logical_and.reduce([np.asarray(pc.is_valid(column)) for column in columns])
    values = [np.asarray(pc.fill_null(column, 0.0), dtype="<f8") for column in columns]
    rows = table.append_column(pa.field(COLUMN, pa.binary()), _wkb(values, there, positions))
    metadata = {**(table.schema.metadata or {}), b"geo": json.dumps(_metadata(values, there, positions)).encode()}
    pq.write_table(rows.replace_schema_metadata(metadata), path, compression="zstd")


def _doubles(table: pa.Table) -> Any:
    return lambda name: table[name].cast(pa.float64()).combine_chunks()


def _wkb(values: list[np.ndarray], there: np.ndarray, positions: Positions) -> pa.Array:
    """Geometries of one size each, null where there is no position."""
    head = [("order", "u1"), ("kind", "<u4"), *([("points", "<u4")] if positions.is_line else [])]
    coded = np.zeros(int(there.sum()), dtype=[*head, *((name, "<f8") for name in positions.columns)])
    coded["order"] = 1  # little endian
    coded["kind"] = LINE_STRING if positions.is_line else POINT
    if positions.is_line:
        coded["points"] = 2
    for name, column in zip(positions.columns, values, strict=True):
        coded[name] = column[there]
    ends = np.concatenate([[0], np.cumsum(there)]) * coded.dtype.itemsize
    if len(ends) and ends[-1] > np.iinfo(np.int32).max:
        raise ValueError(f"{len(there):,} rows are too many for one GeoParquet file: save fewer days at a time")
    valid = pa.array(there).buffers()[1]
    buffers = [valid, pa.py_buffer(ends.astype("<i4").tobytes()), pa.py_buffer(coded.tobytes())]
    return pa.Array.from_buffers(pa.binary(), len(there), buffers)


def _metadata(values: list[np.ndarray], there: np.ndarray, positions: Positions) -> dict[str, Any]:
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": ["LineString" if positions.is_line else "Point"] if there.any() else [],
    }
    if there.any():
        xs, ys = (np.concatenate([of[there] for of in values[start::2]]) for start in (0, 1))
        column["bbox"] = [float(edge) for edge in (xs.min(), ys.min(), xs.max(), ys.max())]
    return {"version": VERSION, "primary_column": COLUMN, "columns": {COLUMN: column}}
