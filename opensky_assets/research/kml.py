"""Rows as KML 2.2: a track for each aircraft, or a placemark for each row; altitudes in metres, times in UTC."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa

from opensky_assets.research.geojson import plain
from opensky_assets.research.geometry import coordinates, cut_line, find_positions

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2" xmlns:gx="http://www.google.com/kml/ext/2.2">
<Document>
"""
TAIL = "</Document>\n</kml>\n"
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ALTITUDES = ("geoaltitude", "baroaltitude")
"""The height above the ellipsoid; where it is missing, the pressure altitude."""


def write_kml(table: pa.Table, path: Path) -> None:
    """Write the rows that have a position. Rows with `icao24` and `time` become one `gx:Track` an aircraft. Raises
    `NoPositions`."""
    positions = find_positions(table.column_names)
    is_moving = not positions.is_line and {"icao24", "time"} <= set(table.column_names)
    with path.open("w", encoding="utf-8") as file:
        file.write(HEAD)
        file.writelines(_tracks(table) if is_moving else _placemarks(table))
        file.write(TAIL)


def _tracks(table: pa.Table) -> Iterator[str]:
    positions = find_positions(table.column_names)
    table = table.sort_by([("icao24", "ascending"), ("time", "ascending")])
    names = [name for name in ("icao24", "callsign", "time", *_ALTITUDES) if name in table.column_names]
    rows = zip(table.select(names).to_pylist(), coordinates(table, positions), strict=True)
    by_aircraft: dict[str, list[tuple[dict[str, Any], tuple[float, ...]]]] = {}
    for row, place in rows:
        if place is not None and row["time"] is not None:
            by_aircraft.setdefault(row["icao24"], []).append((row, place))
    for icao24, states in by_aircraft.items():
        callsigns = dict.fromkeys(row["callsign"] for row, _ in states if row.get("callsign"))
        heights = [_height(row) for row, _ in states]
        # A track has one altitude mode: where no height is known at all, it lies on the ground.
        mode = "clampToGround" if not any(height is not None for height in heights) else "absolute"
        yield f"<Placemark><name>{_text(' '.join([icao24, *callsigns]))}</name>\n<gx:Track>\n"
        yield f"<altitudeMode>{mode}</altitudeMode>\n"
        yield from (f"<when>{plain(row['time'])}</when>\n" for row, _ in states)
        for (_, place), height in zip(states, _filled(heights), strict=True):
            yield f"<gx:coord>{place[0]} {place[1]} {height}</gx:coord>\n"
        yield "</gx:Track></Placemark>\n"


def _filled(heights: list[float | None]) -> Iterable[float]:
    """Each height, where it is missing the one before it, at the beginning the first that there is."""
    last = next((height for height in heights if height is not None), 0.0)
    for height in heights:
        last = last if height is None else height
        yield last


def _placemarks(table: pa.Table) -> Iterator[str]:
    positions = find_positions(table.column_names)
    for batch in table.to_batches(50_000):
        for row, place in zip(batch.to_pylist(), coordinates(batch, positions), strict=True):
            if place is not None:
                yield _placemark(row, place, positions.columns)


def _placemark(row: dict[str, Any], place: tuple[float, ...], columns: tuple[str, ...]) -> str:
    names = [str(row[name]) for name in ("callsign", "icao24", "icao", "name") if row.get(name)]
    data = "".join(
        f"<Data name={quoteattr(_NOT_IN_XML.sub('�', name))}><value>{_text(plain(value))}</value></Data>"
        for name, value in row.items()
        if value is not None and name not in columns
    )
    label = f"<name>{_text(' '.join(names[:2]))}</name>" if names else ""
    extended = f"<ExtendedData>{data}</ExtendedData>" if data else ""
    return f"<Placemark>{label}{_when(row)}{extended}{_shape(row, place)}</Placemark>\n"


def _when(row: dict[str, Any]) -> str:
    if row.get("firstseen") and row.get("lastseen"):
        begin, end = plain(row["firstseen"]), plain(row["lastseen"])
        return f"<TimeSpan><begin>{begin}</begin><end>{end}</end></TimeSpan>"
    return f"<TimeStamp><when>{plain(row['time'])}</when></TimeStamp>" if row.get("time") else ""


def _shape(row: dict[str, Any], place: tuple[float, ...]) -> str:
    if len(place) == 2:
        height = _height(row)
        mode = "" if height is None else "<altitudeMode>absolute</altitudeMode>"
        at = f"{place[0]},{place[1]}" if height is None else f"{place[0]},{place[1]},{height}"
        return f"<Point>{mode}<coordinates>{at}</coordinates></Point>"
    lines = [
        f"<LineString><tessellate>1</tessellate><coordinates>{' '.join(f'{x},{y}' for x, y in part)}</coordinates>"
        "</LineString>"
        for part in cut_line(place)
    ]
    return lines[0] if len(lines) == 1 else f"<MultiGeometry>{''.join(lines)}</MultiGeometry>"


def _height(row: dict[str, Any]) -> float | None:
    return next((height for name in _ALTITUDES if (height := plain(row.get(name))) is not None), None)


def _text(value: object) -> str:
    return escape(_NOT_IN_XML.sub("�", str(value)))
