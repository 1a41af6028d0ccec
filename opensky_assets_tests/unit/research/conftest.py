"""A small lake with flights and states of two days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opensky_assets.schemas import AIRPORTS, ENRICHED_FLIGHTS, ENRICHED_STATES, Contract

DAYS = ("2022-06-25", "2022-06-26")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2022-06-{text}").replace(tzinfo=UTC)


FLIGHTS: list[dict[str, Any]] = [
    {
        "icao24": "4b1816",
        "callsign": "SWR1",
        "airline_icao": "SWR",
        "operator_name": "Swiss International Air Lines",
        "origin": "LSZH",
        "destination": "EDDF",
        "firstseen": at("25T08:00"),
        "lastseen": at("25T09:00"),
        "longitude_1": 8.5,
        "latitude_1": 47.4,
        "longitude_2": 8.6,
        "latitude_2": 50.0,
        "source_objects": ["a.csv", "b.csv"],
        "departure_local": datetime(2022, 6, 25, 10),
        "duration_s": 3600,
    },
    {
        "icao24": "780a01",
        "callsign": "=1+1",
        "airline_icao": None,
        "operator_name": "Cathay Pacific",
        "origin": "EDDF",
        "destination": "KU42",
        "firstseen": at("25T22:00"),
        "lastseen": at("26T07:00"),
        "longitude_1": 170.0,
        "latitude_1": 10.0,
        "longitude_2": -170.0,
        "latitude_2": 20.0,
        "source_objects": [],
    },
    {
        "icao24": "780a02",
        "callsign": "CPA<2>&",
        "airline_icao": "CPA",
        "operator_name": "Cathay Pacific",
        "origin": None,
        "destination": "LSZH",
        "firstseen": at("26T08:00"),
        "lastseen": at("26T09:00"),
        "source_objects": [],
    },
]
STATES: list[dict[str, Any]] = [
    {"time": at("25T08:00:00"), "icao24": "4b1816", "lat": 47.4, "lon": 8.5, "geoaltitude": 500.0, "callsign": "SWR1"},
    {"time": at("25T08:00:10"), "icao24": "4b1816", "lat": 47.5, "lon": 8.5, "geoaltitude": None, "callsign": "SWR1"},
    {"time": at("25T08:00:20"), "icao24": "4b1816", "lat": None, "lon": None, "geoaltitude": 520.0, "callsign": None},
    {"time": at("25T08:00:30"), "icao24": "4b1816", "lat": 47.5, "lon": 8.5, "geoaltitude": 530.0, "callsign": "SWR1"},
    {"time": at("25T08:00:00"), "icao24": "c82000", "lat": -17.0, "lon": 179.5, "baroaltitude": 11000.0},
    {"time": at("25T08:00:10"), "icao24": "c82000", "lat": -17.0, "lon": -179.5, "baroaltitude": 11000.0},
    {"time": at("26T00:00:00"), "icao24": "4b1816", "lat": 10.0, "lon": 20.0, "geoaltitude": 10000.0},
]


def write_table(path: Path, contract: Contract, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {f.name: pa.array([row.get(f.name) for row in rows], f.type) for f in contract.schema}
    pq.write_table(pa.table(columns), path)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    folder = tmp_path / "lake"
    ages = {at("25T08:00:30"): 30}
    for row in STATES:
        row["lastposupdate"] = datetime.fromtimestamp(row["time"].timestamp() - ages.get(row["time"], 1), UTC)
    for contract, rows, column in ((ENRICHED_FLIGHTS, FLIGHTS, "lastseen"), (ENRICHED_STATES, STATES, "time")):
        for day in DAYS:
            of_day = [row for row in rows if row[column].date().isoformat() == day]
            write_table(folder / contract.path / f"day={day}" / f"{contract.name}.parquet", contract, of_day)
    airports = [{"icao": "LSZH", "iata": "ZRH"}, {"icao": "EDDF", "iata": "FRA"}, {"icao": "LFSB", "iata": "BSL"}]
    write_table(folder / AIRPORTS.path, AIRPORTS, airports)
    return folder
