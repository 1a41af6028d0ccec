"""A user's assets take tables of the lake by annotation and return frames: in a folder and in a bucket."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import polars as pl
import pyarrow.parquet as pq
import pytest

from opensky_assets.definitions import build_definitions
from opensky_assets.io_managers.lake import LakeIOManager
from opensky_assets.lake import Lake, open_lake
from opensky_assets.lake.days import due_days
from opensky_assets.lake.tables import ParquetTables, snapshot_of
from opensky_assets.partitions import DAILY, SINGLE_RUN
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas import AIRPORTS, ENRICHED_FLIGHTS
from opensky_assets.settings import load_settings
from opensky_assets.transforms.inputs import versions_of
from opensky_assets_tests.dagster.conftest import Platform
from opensky_assets_tests.flight_lists import flight, write_list
from opensky_assets_tests.own_assets import BY_TYPECODE, DAYS, OWN, fill, made, require_own_tables, rows_of

pytestmark = pytest.mark.slow

SECRET = "not-to-be-shown-0815"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "bucket"])
def platform(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """The package's definitions and the user's, over two days of flights."""
    bucket, lake = tmp_path / "bucket", str(tmp_path / "lake")
    bucket.mkdir()
    if request.param == "bucket":
        endpoint, lake = request.getfixturevalue("moto"), f"s3://lake-{tmp_path.name.replace('_', '-')}/own"
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("OPENSKY_LAKE_ENDPOINT", endpoint)
        monkeypatch.setenv("OPENSKY_LAKE_REGION", "us-east-1")
        opened = open_lake(load_settings(lake=lake))
        opened.files.place.client().create_bucket(Bucket=opened.files.place.bucket)  # type: ignore[attr-defined]
    opensky = OpenSkyResource(source=str(bucket), lake=lake, warehouse=str(tmp_path / "warehouse.duckdb"))
    return made(bucket, opensky, OWN)


def test_own_tables(platform: Platform) -> None:
    fill(platform)
    require_own_tables(platform)


def test_a_day_is_made_of_the_versions_that_were_loaded(platform: Platform) -> None:
    fill(platform)
    assert platform.run(["by_origin", "busiest"], *DAYS).success
    lake = platform.lake

    def of_day(day: str) -> dict[str, str]:
        return {ENRICHED_FLIGHTS.path: versions_of(lake, ENRICHED_FLIGHTS, [day])[day]}

    records = lake.day_records("core/by_origin", DAYS)
    for day in DAYS:
        inputs = dict(records[day].inputs)
        assert inputs.pop("code") == "1" and inputs.pop("contract")
        assert inputs == of_day(day)
    busiest = dict(lake.day_records("core/busiest", DAYS)[DAYS[0]].inputs)
    own = ParquetTables(lake).contract_of("core/by_origin")
    assert own is not None and busiest["core/by_origin"] == versions_of(lake, own, DAYS)[DAYS[0]]
    assert busiest[AIRPORTS.path] == snapshot_of(lake, AIRPORTS)

    files = {day: lake.day_files("core/by_origin", [day]) for day in DAYS}
    assert platform.run(["by_origin"], *DAYS).success  # the same rows: nothing is written anew
    assert files == {day: lake.day_files("core/by_origin", [day]) for day in DAYS}
    write_list(platform.bucket, *DAYS, [flight(day, hour=hour) for day in DAYS for hour in range(2, 21)])
    assert platform.run(["raw_flights", "flights", "enriched_flights"], *DAYS).success
    now = {day: {**records[day].inputs, **of_day(day)} for day in DAYS}
    assert due_days(lake, "core/by_origin", now) == [*DAYS]
    assert platform.run(["by_origin"], *DAYS).success
    assert sum(int(str(row["flights"])) for row in rows_of(lake, "core/by_origin", DAYS[0])) == 19
    assert due_days(lake, "core/by_origin", now) == []


def test_nothing_secret_is_shown(platform: Platform) -> None:
    fill(platform)
    assert platform.run(["by_origin"], *DAYS).success
    for run in platform.instance.get_runs():
        events = "\n".join(str(entry) for entry in platform.instance.all_logs(run.run_id))
        assert SECRET not in events + str(run.run_config) + str(run.tags)


def test_mistakes_are_told_in_one_line(tmp_path: Path) -> None:
    daily = {"partitions_def": DAILY, "backfill_policy": SINGLE_RUN}

    @dg.asset(**daily)
    def without_days(enriched_flights: pl.DataFrame) -> pl.DataFrame:
        return enriched_flights.drop("day")

    @dg.asset(**daily, metadata={"contract": replace(BY_TYPECODE, name="lacking", path="core/lacking")})
    def lacking(enriched_flights: pl.DataFrame) -> pl.DataFrame:
        return enriched_flights.select("day", "typecode")

    @dg.asset(**daily)
    def superseded_flights(enriched_flights: pl.DataFrame) -> pl.DataFrame:
        return enriched_flights

    @dg.asset(**daily, metadata={"contract": replace(BY_TYPECODE, path="raw/flights")})
    def elsewhere(enriched_flights: pl.DataFrame) -> pl.DataFrame:
        return enriched_flights

    @dg.asset(**daily, key=["mine", "flights"])
    def named_alike(enriched_flights: pl.DataFrame) -> pl.DataFrame:
        return enriched_flights.select("day", "callsign")

    @dg.asset(**daily)
    def no_frame(enriched_flights: pl.DataFrame) -> dict[str, int]:
        return {}

    @dg.asset(**daily)
    def too_early(by_origin: pl.DataFrame) -> pl.DataFrame:
        return by_origin

    opensky = OpenSkyResource(source=str(tmp_path / "bucket"), lake=str(tmp_path / "lake"))
    (tmp_path / "bucket").mkdir()
    own = [without_days, lacking, superseded_flights, elsewhere, no_frame, too_early, named_alike]
    platform = made(tmp_path / "bucket", opensky, [*own, *OWN])
    fill(platform)

    def message(name: str) -> str:
        result = platform.run([name], *DAYS)
        assert not result.success
        return "\n".join(str(event.event_specific_data) for event in result.all_events if event.is_failure)

    assert "rows of 2 days without a column `day`" in message("without_days")
    assert platform.run(["without_days"], DAYS[0]).success  # of one day, all rows are of that day
    assert "lacking: the frame lacks columns of its contract: flights" in message("lacking")
    assert "core/superseded_flights is a table of opensky_assets" in message("superseded_flights")
    assert "raw/flights is a table of opensky_assets" in message("elsewhere")
    flights = platform.lake.day_records("core/flights", DAYS)
    assert platform.run([["mine", "flights"]], *DAYS).success
    assert platform.lake.days("core/mine-flights") == [*DAYS]
    assert platform.lake.day_records("core/flights", DAYS) == flights
    assert "cannot store dict as a table: return pa.Table" in message("no_frame")
    assert "by_origin: not materialized; materialize the asset first" in message("too_early")


def test_a_folder_needs_no_s3(tmp_path: Path) -> None:
    opensky = OpenSkyResource(source=str(tmp_path), lake=str(tmp_path / "lake"))
    resources = build_definitions(opensky).resources or {}
    assert type(resources["io_manager"]) is LakeIOManager


def test_airports_are_the_same_bytes_by_every_way(tmp_path: Path, platform: Platform) -> None:
    from opensky_assets_tests.lakes import publish_airports

    assert platform.run(["airports"]).success
    other = Lake.at(tmp_path / "other")
    publish_airports(other)
    assert platform.lake.files.read(AIRPORTS.path) == other.files.read(AIRPORTS.path)
    assert pq.read_schema(tmp_path / "other" / AIRPORTS.path).remove_metadata() == AIRPORTS.schema
