"""Flights are made while a sync replaces what they are made of."""

from datetime import date
from pathlib import Path

import pytest

from opensky_assets.engines.flights import flights_on_duckdb
from opensky_assets.ingest.sync import sync_days
from opensky_assets.schemas import FLIGHTS
from opensky_assets.settings import load_settings
from opensky_assets.storage.errors import Overtaken
from opensky_assets.storage.objects import LocalStore
from opensky_assets.transforms.flights import publish_flights, work_on_flights
from opensky_assets_tests.flight_lists import flight, write_list
from opensky_assets_tests.lakes import LocalLake

DAY = "2020-01-01"


def synced(folder: Path, flights: int) -> LocalLake:
    write_list(folder / "source", DAY, DAY, [flight(DAY, hour=hour) for hour in range(1, flights + 1)])
    lake = LocalLake.at(folder / "lake")
    store = LocalStore(folder / "source")
    sync_days(FLIGHTS, [DAY], store, lake, load_settings(), date(2020, 2, 1), lambda text: None)
    return lake


def test_a_raw_file_that_is_ahead_of_its_manifest_is_no_defect(tmp_path: Path) -> None:
    """A sync put the file of a new version, and was stopped or killed before its manifest."""
    lake = synced(tmp_path, 1)
    (manifest,) = lake.manifests(FLIGHTS.name).values()
    record = lake.path(f"_manifest/flights/{manifest.source.key_hash}.json")
    old = record.read_text()
    synced(tmp_path, 3)
    record.write_text(old)
    work = work_on_flights(lake, [DAY])
    with pytest.raises(Overtaken, match="flights of 2020-01-01: raw flights were replaced while they were read; run"):
        publish_flights(lake, work, flights_on_duckdb(lake, work, 1))
    synced(tmp_path, 3)
    work = work_on_flights(lake, [DAY])
    assert publish_flights(lake, work, flights_on_duckdb(lake, work, 1)).records[DAY].rows == 3
