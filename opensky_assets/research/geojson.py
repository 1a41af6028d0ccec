"""Rows as GeoJSON (RFC 7946): a feature each, longitude before latitude, times as ISO 8601 in UTC."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from opensky_assets.research.geometry import Positions, coordinates, cut_line, find_positions

BATCH_ROWS = 50_000
ALTITUDE = "geoaltitude"
"""The third coordinate of GeoJSON is the height above the WGS84 ellipsoid in metres, which is what this column has."""


def write_geojson(table: pa.Table, path: Path) -> None:
    """Write the rows; a row without a position is a feature without geometry. Raises `NoPositions`."""
    positions = find_positions(table.column_names)
    with path.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        separator = "\n"
        for batch in table.to_batches(BATCH_ROWS):
            for feature in _features(batch, positions):
                file.write(separator + json.dumps(feature, ensure_ascii=False, allow_nan=False))
                separator = ",\n"
        file.write("\n]}\n")


def _features(batch: pa.RecordBatch, positions: Positions) -> list[dict[str, Any]]:
    names = [name for name in batch.schema.names if name not in positions.columns]
    values = zip(*(batch[name].to_pylist() for name in names), strict=True) if names else iter([()] * batch.num_rows)
    heights = batch[ALTITUDE].to_pylist() if ALTITUDE in names and not positions.is_line else [None] * batch.num_rows
    return [
        {
            "type": "Feature",
            "geometry": _geometry(place, height, positions.is_line),
            "properties": {name: plain(value) for name, value in zip(names, row, strict=True)},
        }
        for place, height, row in zip(coordinates(batch, positions), heights, values, strict=True)
    ]


def _geometry(place: tuple[float, ...] | None, height: float | None, is_line: bool) -> dict[str, Any] | None:
    if place is None:
        return None
    if is_line:
        parts = cut_line(place)
        return (
            {"type": "LineString", "coordinates": parts[0]}
            if len(parts) == 1
            else {
                "type": "MultiLineString",
                "coordinates": parts,
            }
        )
    return {"type": "Point", "coordinates": [*place, height] if plain(height) is not None else list(place)}


def plain(value: Any) -> Any:
    """A value as JSON has it: times as text, in UTC where they have a zone; what is no number as null."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value.isoformat()
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)
