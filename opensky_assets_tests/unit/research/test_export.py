"""Answers as files for maps and spreadsheets: each valid by its specification, and with the rows it was given."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opensky_assets import flights, track
from opensky_assets.research import Answer, QuestionError
from opensky_assets.research.geometry import cut_line

DAYS = ("2022-06-25", "2022-06-26")
KML = {"kml": "http://www.opengis.net/kml/2.2", "gx": "http://www.google.com/kml/ext/2.2"}


@pytest.fixture
def path_of_aircraft(lake: Path) -> Answer:
    return track("4b1816", "2022-06-25", "2022-06-25", lake=lake)


@pytest.fixture
def all_flights(lake: Path) -> Answer:
    return flights(start=DAYS[0], end=DAYS[1], lake=lake)


def geojson_of(answer: Answer, folder: Path) -> list[dict[str, Any]]:
    text = answer.save(folder / "answer.geojson").read_text()
    collection = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert collection["type"] == "FeatureCollection"
    assert all(set(feature) == {"type", "geometry", "properties"} for feature in collection["features"])
    return collection["features"]


def test_geojson_of_a_track(path_of_aircraft: Answer, tmp_path: Path) -> None:
    features = geojson_of(path_of_aircraft, tmp_path)
    assert [feature["geometry"] for feature in features] == [
        {"type": "Point", "coordinates": [8.5, 47.4, 500.0]},
        {"type": "Point", "coordinates": [8.5, 47.5]},
        {"type": "Point", "coordinates": [8.5, 47.5, 530.0]},
    ]
    first = features[0]["properties"]
    assert (first["time"], first["day"], first["icao24"]) == ("2022-06-25T08:00:00Z", "2022-06-25", "4b1816")
    assert "lat" not in first


def test_geojson_of_flights_is_cut_at_the_antimeridian(all_flights: Answer, tmp_path: Path) -> None:
    features = geojson_of(all_flights, tmp_path)
    assert [feature["geometry"] for feature in features] == [
        {"type": "LineString", "coordinates": [[8.5, 47.4], [8.6, 50.0]]},
        {
            "type": "MultiLineString",
            "coordinates": [[[170.0, 10.0], [180.0, 15.0]], [[-180.0, 15.0], [-170.0, 20.0]]],
        },
        None,
    ]
    assert features[0]["properties"]["source_objects"] == ["a.csv", "b.csv"]


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ((0, 0, 10, 10), [[(0, 0), (10, 10)]]),
        ((-170, 0, 170, 10), [[(-170, 0), (-180.0, 5.0)], [(180.0, 5.0), (170, 10)]]),
        ((180, 0, -180, 0), [[(180, 0), (180.0, 0.0)], [(-180.0, 0.0), (-180, 0)]]),
    ],
)
def test_lines_take_the_shorter_way(line: tuple[float, ...], parts: list[list[tuple[float, float]]]) -> None:
    assert cut_line(line) == parts


def read_wkb(wkb: bytes | None) -> tuple[float, ...] | None:
    """The coordinates of a geometry in ISO WKB, little endian: a point or a line of two points."""
    if wkb is None:
        return None
    order, kind = struct.unpack_from("<BI", wkb)
    assert order == 1
    if kind == 1:
        assert len(wkb) == 21
        return struct.unpack_from("<2d", wkb, 5)
    assert (kind, struct.unpack_from("<I", wkb, 5)) == (2, (2,)) and len(wkb) == 41
    return struct.unpack_from("<4d", wkb, 9)


def geo_metadata(path: Path) -> dict[str, Any]:
    """The metadata of GeoParquet, after the rules of its JSON schema (1.1.0): what is required, and of which form."""
    metadata = json.loads(pq.read_schema(path).metadata[b"geo"])
    assert set(metadata) == {"version", "primary_column", "columns"}
    assert metadata["version"] == "1.1.0" and metadata["primary_column"] in metadata["columns"]
    for name, column in metadata["columns"].items():
        assert (
            pq.ParquetFile(path).schema.column(pq.read_schema(path).get_field_index(name)).physical_type == "BYTE_ARRAY"
        )
        assert {"encoding", "geometry_types"} <= set(column) <= {"encoding", "geometry_types", "bbox"}
        assert column["encoding"] == "WKB"
        assert len(set(column["geometry_types"])) == len(column["geometry_types"])
        assert set(column["geometry_types"]) <= {"Point", "LineString"}
        assert len(column.get("bbox", [0.0] * 4)) == 4
    return metadata["columns"]["geometry"]


def test_geoparquet_of_a_track(path_of_aircraft: Answer, tmp_path: Path) -> None:
    path = path_of_aircraft.save(tmp_path / "track.geoparquet")
    column = geo_metadata(path)
    assert (column["geometry_types"], column["bbox"]) == (["Point"], [8.5, 47.4, 8.5, 47.5])
    rows = pq.read_table(path)
    assert [read_wkb(wkb) for wkb in rows["geometry"].to_pylist()] == [(8.5, 47.4), (8.5, 47.5), (8.5, 47.5)]
    assert rows.drop_columns("geometry").equals(path_of_aircraft.arrow())


def test_geoparquet_of_flights(all_flights: Answer, tmp_path: Path) -> None:
    path = all_flights.save(tmp_path / "flights.parquet", format="geoparquet")
    column = geo_metadata(path)
    assert (column["geometry_types"], column["bbox"]) == (["LineString"], [-170.0, 10.0, 170.0, 50.0])
    found = [read_wkb(wkb) for wkb in pq.read_table(path)["geometry"].to_pylist()]
    assert found == [(8.5, 47.4, 8.6, 50.0), (170.0, 10.0, -170.0, 20.0), None]


def test_geoparquet_without_rows(lake: Path, tmp_path: Path) -> None:
    path = track("000001", "2022-06-25", "2022-06-25", lake=lake).save(tmp_path / "none.geoparquet")
    assert geo_metadata(path) == {"encoding": "WKB", "geometry_types": []}
    assert pq.read_table(path)["geometry"].to_pylist() == []


def test_kml_of_a_track(path_of_aircraft: Answer, tmp_path: Path) -> None:
    root = ElementTree.parse(path_of_aircraft.save(tmp_path / "track.kml")).getroot()
    (mark,) = root.findall(".//kml:Placemark", KML)
    assert mark.findtext("kml:name", namespaces=KML) == "4b1816 SWR1"
    (moving,) = mark.findall("gx:Track", KML)
    assert moving.findtext("kml:altitudeMode", namespaces=KML) == "absolute"
    assert [when.text for when in moving.findall("kml:when", KML)] == [
        "2022-06-25T08:00:00Z",
        "2022-06-25T08:00:10Z",
        "2022-06-25T08:00:30Z",
    ]
    assert [at.text for at in moving.findall("gx:coord", KML)] == ["8.5 47.4 500.0", "8.5 47.5 500.0", "8.5 47.5 530.0"]


def test_kml_of_flights(all_flights: Answer, tmp_path: Path) -> None:
    root = ElementTree.parse(all_flights.save(tmp_path / "flights.kml")).getroot()
    first, second = root.findall(".//kml:Placemark", KML)
    assert first.findtext("kml:TimeSpan/kml:begin", namespaces=KML) == "2022-06-25T08:00:00Z"
    assert first.findtext("kml:LineString/kml:coordinates", namespaces=KML) == "8.5,47.4 8.6,50.0"
    assert second.findtext("kml:name", namespaces=KML) == "=1+1 780a01"
    assert len(second.findall("kml:MultiGeometry/kml:LineString", KML)) == 2


def test_kml_holds_any_text(tmp_path: Path) -> None:
    rows = pa.table({"name": ["a<b>&\"c'\x00\ud7ff"], "lon": [1.0], "lat": [2.0]})
    root = ElementTree.parse(Answer(rows, "", ()).save(tmp_path / "x.kml")).getroot()
    assert root.findtext(".//kml:name", namespaces=KML) == "a<b>&\"c'�\ud7ff"


def cells(path: Path) -> list[list[str]]:
    """The cells of the first sheet as they stand in its XML: texts, and numbers as Excel has them."""
    space = {"s": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    with zipfile.ZipFile(path) as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    assert not sheet.findall(".//s:f", space)  # no formula
    return [
        ["".join(cell.itertext()) for cell in row.findall("s:c", space)] for row in sheet.findall(".//s:row", space)
    ]


def test_excel(all_flights: Answer, tmp_path: Path) -> None:
    names = ["day", "callsign", "lastseen", "departure_local", "source_objects", "duration_s"]
    chosen = Answer(all_flights.arrow().select(names), "", ())
    header, first, second, _ = cells(chosen.save(tmp_path / "flights.xlsx"))
    assert header == [
        "day",
        "callsign",
        "lastseen (UTC)",
        "departure_local (local time)",
        "source_objects",
        "duration_s",
    ]
    days = (date(2022, 6, 25) - date(1899, 12, 30)).days
    assert (first[0], first[1], first[4], first[5]) == (str(days), "SWR1", "a.csv, b.csv", "3600")
    assert [float(value) for value in first[2:4]] == [days + 9 / 24, pytest.approx(days + 10 / 24)]
    assert second[1] == "=1+1"


def test_excel_says_when_rows_are_too_many(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = Answer(pa.table({"n": pa.nulls(1_048_576, pa.int8())}), "", ())
    with pytest.raises(QuestionError, match="1,048,576 rows: a sheet of Excel holds 1,048,575"):
        rows.save(tmp_path / "x.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_values_that_are_no_numbers_are_none(tmp_path: Path) -> None:
    rows = pa.table(
        {
            "lon": [1.0, float("nan"), float("inf")],
            "lat": [2.0, 2.0, 2.0],
            "speed": [float("nan"), 1.0, 1.0],
            "at": pa.array([datetime(2022, 1, 1, tzinfo=UTC)] * 3, pa.timestamp("us", "UTC")),
        }
    )
    answer = Answer(rows, "", ())
    features = geojson_of(answer, tmp_path)
    assert [feature["geometry"] is None for feature in features] == [False, True, True]
    assert features[0]["properties"]["speed"] is None
    geometry = pq.read_table(answer.save(tmp_path / "x.geoparquet"))["geometry"].to_pylist()
    assert [read_wkb(wkb) for wkb in geometry] == [(1.0, 2.0), None, None]
    assert len(cells(answer.save(tmp_path / "x.xlsx"))) == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.shp", "the format 'shp' is not one of parquet, geojson, geoparquet, kml, xlsx"),
        ("x", "the format '' is not one of"),
        ("x.csv", "to_csv"),
        ("nothing/x.kml", "there is no folder .*nothing"),
        ("x.kml", "no positions, which a map needs"),
        ("x.geojson", "no positions"),
        ("x.geoparquet", "no positions"),
    ],
)
def test_what_cannot_be_saved_is_said_and_leaves_nothing(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(QuestionError, match=message):
        Answer(pa.table({"n": [1]}), "", ()).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def command(lake: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {"OPENSKY_LAKE": str(lake), "PATH": ""}
    return subprocess.run(
        [sys.executable, "-m", "opensky_assets.cli", *arguments], cwd=lake.parent, env=environment, capture_output=True
    )


def test_on_the_command_line(lake: Path) -> None:
    done = command(lake, "track", "4B1816", "--from", "2022-06-25", "--to", "2022-06-25", "--format", "geojson")
    assert len(json.loads(done.stdout)["features"]) == 3, done.stderr
    done = command(lake, "track", "4b1816", "--from", "2022-06-25", "--to", "2022-06-25")
    shown = done.stdout.decode()
    assert (shown.count("4b1816"), "baroaltitude" in shown, "typecode" in shown) == (3, True, False), done.stderr
    done = command(lake, "flights", "--day", "2022-06-26", "--airport", "LSZH", "--format", "csv")
    assert done.stdout.decode().splitlines()[1].startswith("2022-06-26,CPA<2>&"), done.stderr
    done = command(
        lake, "states", "--box", "-20,179,-10,-179", "--from", "2022-06-25", "--to", "2022-06-25", "--out", "s.kml"
    )
    assert done.returncode == 0, done.stderr
    assert len(ElementTree.parse(lake.parent / "s.kml").findall(".//gx:coord", KML)) == 2
    done = command(lake, "sql", "FROM airports", "--format", "xlsx")
    assert zipfile.ZipFile(io.BytesIO(done.stdout)).testzip() is None, done.stderr
    done = command(lake, "sql", "SELECT 1 AS lon, 2 AS lat", "--out", "p.geoparquet")
    assert geo_metadata(lake.parent / "p.geoparquet")["bbox"] == [1.0, 2.0, 1.0, 2.0], done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["flights", "--day", "2022-07-01"], "opensky-assets flights: enriched_flights has no rows on 2022-07-01"),
        (["track", "xyz", "--from", "2022-06-25", "--to", "2022-06-25"], "opensky-assets track: icao24='xyz'"),
        (["states", "--box", "1,2", "--from", "2022-06-25", "--to", "2022-06-25"], "opensky-assets states: box="),
        (["sql", "SELECT 1 AS n", "--format", "kml"], "opensky-assets sql: kml: the rows have no positions"),
    ],
)
def test_mistakes_on_the_command_line_are_one_line(lake: Path, arguments: list[str], message: str) -> None:
    done = command(lake, *arguments)
    assert done.returncode == 1 and done.stdout == b""
    assert done.stderr.decode().startswith(message) and len(done.stderr.splitlines()) == 1
