"""One run over a range of days of which some have no objects and one fails."""

import gzip

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opensky_assets_tests.dagster.conftest import Platform
from opensky_assets_tests.flight_lists import flight, write_aircraft, write_list

pytestmark = pytest.mark.slow

RANGE = ("2020-01-01", "2020-01-06")


@pytest.fixture
def holed(platform: Platform) -> Platform:
    """Flights on the 1st, 2nd and 6th; nothing on the 3rd and 4th; a damaged list for the 5th."""
    write_aircraft(platform.bucket)
    write_list(platform.bucket, "2020-01-01", "2020-01-02", [flight("2020-01-01"), flight("2020-01-02")])
    write_list(platform.bucket, "2020-01-06", "2020-01-06", [flight("2020-01-06"), flight("2020-01-06", hour=12)])
    damaged = write_list(platform.bucket, "2020-01-05", "2020-01-05", [flight("2020-01-05")] * 50)
    damaged.write_bytes(damaged.read_bytes()[:-20])
    assert platform.run(["aircraft_database", "airports"]).success
    return platform


def test_a_range_materializes_just_the_days_that_are_good(holed: Platform) -> None:
    result = holed.run(["raw_flights", "flights", "enriched_flights"], *RANGE)

    good = ["2020-01-01", "2020-01-02", "2020-01-06"]
    assert holed.materialized("raw_flights") == good
    assert holed.materialized("enriched_flights") == good  # went on though a day failed
    assert not result.success
    failed = [e.step_key for e in result.all_events if e.is_step_failure]
    assert failed == ["raw_flights_nothing_held_back"]
    message = next(e for e in result.all_events if e.is_step_failure).step_failure_data.error_display_string
    assert "flightlist_20200105_20200105.csv.gz" in message
    assert "2020-01-05" in message
    assert "2020-01-03" not in message


def test_each_day_has_its_own_facts(holed: Platform) -> None:
    holed.run(["raw_flights", "flights", "enriched_flights"], *RANGE)
    assert holed.metadata("raw_flights", "2020-01-06")["dagster/partition_row_count"] == 2
    assert holed.metadata("raw_flights", "2020-01-01")["written"] == 1
    assert holed.metadata("enriched_flights", "2020-01-06")["dagster/partition_row_count"] == 2


def test_the_same_facts_where_no_day_is_missing(holed: Platform) -> None:
    """Dagster's own events, not those logged one by one."""
    assert holed.run(["raw_flights", "flights", "enriched_flights"], "2020-01-01", "2020-01-02").success
    for asset in ("raw_flights", "enriched_flights"):
        assert holed.materialized(asset) == ["2020-01-01", "2020-01-02"]
        assert holed.metadata(asset, "2020-01-02")["dagster/partition_row_count"] == 1


def test_naming_the_failed_day_again_reads_just_its_object(holed: Platform) -> None:
    holed.run(["raw_flights"], *RANGE)
    write_list(holed.bucket, "2020-01-05", "2020-01-05", [flight("2020-01-05")] * 3)
    before = {path: path.stat().st_mtime_ns for path in holed.lake.path("raw/flights").glob("day=*/*.parquet")}

    assert holed.run(["raw_flights"], "2020-01-05").success

    assert holed.materialized("raw_flights") == ["2020-01-01", "2020-01-02", "2020-01-05", "2020-01-06"]
    assert holed.metadata("raw_flights", "2020-01-05")["written"] == 3
    assert all(path.stat().st_mtime_ns == mtime for path, mtime in before.items())
    assert not list(holed.lake.path("_manifest/flights").glob("*.held.json"))


def test_a_damaged_new_version_leaves_the_published_one(holed: Platform) -> None:
    assert holed.run(["raw_flights", "flights", "enriched_flights"], "2020-01-06").success
    published = sorted(holed.lake.path("raw/flights/day=2020-01-06").glob("*.parquet"))
    content = [path.read_bytes() for path in published]
    (holed.bucket / "flights" / "flightlist_20200106_20200106.csv.gz").write_bytes(gzip.compress(b"nonsense")[:-4])

    assert not holed.run(["raw_flights", "flights", "enriched_flights"], "2020-01-06").success

    assert [path.read_bytes() for path in published] == content
    (record,) = pq.read_table(
        holed.lake.path("quarantine/flights/day=__HIVE_DEFAULT_PARTITION__"), partitioning=None
    ).to_pylist()
    assert (record["line_number"], record["reason"]) == (0, "damaged_container")


def test_days_without_any_object_are_no_failure_and_no_materialization(holed: Platform) -> None:
    assert holed.run(["raw_flights", "flights", "enriched_flights"], "2020-01-03", "2020-01-04").success
    assert holed.materialized("raw_flights") == []
    assert holed.materialized("enriched_flights") == []


def test_versions_are_recorded_for_days_logged_one_by_one(holed: Platform) -> None:
    holed.run(["raw_flights"], *RANGE)
    partial = holed.instance.get_latest_data_version_record(dg.AssetKey("raw_flights"), partition_key="2020-01-01")
    holed.run(["raw_flights"], "2020-01-01", "2020-01-02")
    whole = holed.instance.get_latest_data_version_record(dg.AssetKey("raw_flights"), partition_key="2020-01-01")
    for record in (partial, whole):
        tags = record.asset_materialization.tags
        assert tags["dagster/code_version"]
        assert tags["dagster/data_version"]


def test_an_asset_row_is_never_of_a_day_that_was_not_asked_for(holed: Platform) -> None:
    from opensky_assets.schemas.tables import mart_named
    from opensky_assets_tests.lakes import write_days

    rows = pa.table({"day": pa.array(["2020-01-01"]).cast(pa.date32())}).append_column("origin", pa.array(["X"]))
    with pytest.raises(ValueError, match="2020-01-01"):
        write_days(holed.lake, mart_named("routes").contract, rows.to_reader(), ["2020-01-02"])
    assert not holed.lake.path("marts").exists()
