"""Each check passes on what is sound and fails on what is not."""

import re

import dagster as dg
import polars as pl
import pytest

from opensky_assets.lake.tables import snapshot_of
from opensky_assets.schemas import AIRCRAFT_DATABASE
from opensky_assets_tests.dagster.conftest import Platform
from opensky_assets_tests.flight_lists import flight, write_aircraft, write_list

DAYS = ("2020-01-01", "2020-01-02")


@pytest.fixture
def filled(platform: Platform) -> Platform:
    write_aircraft(platform.bucket)
    lines = [flight(day, hour=hour) for day in DAYS for hour in range(2, 22)]
    write_list(platform.bucket, *DAYS, [*lines, "one,field,too,few"])
    assert platform.run(["aircraft_database", "airports"]).success
    assert platform.run(["raw_flights", "flights", "enriched_flights"], *DAYS).success
    return platform


def evaluate(platform: Platform, asset: str, check: str) -> dg.AssetCheckEvaluation:
    """Run one check alone, for both days."""
    job = platform.definitions.resolve_implicit_global_asset_job_def()
    key = dg.AssetCheckKey(dg.AssetKey(asset), check)
    tags = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[1]}
    result = job.get_subset(asset_selection=set(), asset_check_selection={key}).execute_in_process(
        instance=platform.instance, tags=tags, raise_on_error=False
    )
    (evaluation,) = result.get_asset_check_evaluations()
    return evaluation


def test_all_pass_on_sound_days(filled: Platform) -> None:
    for asset, check in (
        ("raw_flights", "counting_law"),
        ("raw_flights", "nothing_held_back"),
        ("raw_flights", "plausible_values"),
        ("aircraft_database", "counting_law"),
        ("aircraft_database", "unique_icao24"),
        ("enriched_flights", "no_flight_lost_or_doubled"),
    ):
        assert evaluate(filled, asset, check).passed, (asset, check)


def test_counting_law_fails_on_a_lost_file(filled: Platform) -> None:
    next(filled.lake.path("raw/flights/day=2020-01-01").glob("*.parquet")).unlink()
    evaluation = evaluate(filled, "raw_flights", "counting_law")
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.ERROR


def test_counting_law_fails_on_a_file_with_fewer_rows(filled: Platform) -> None:
    path = next(filled.lake.path("raw/flights/day=2020-01-01").glob("*.parquet"))
    pl.read_parquet(path, hive_partitioning=False).head(3).write_parquet(path)
    assert not evaluate(filled, "raw_flights", "counting_law").passed


def test_counting_law_fails_on_a_manifest_that_does_not_add_up(filled: Platform) -> None:
    record = next(filled.lake.path("_manifest/flights").glob("*.json"))
    record.write_text(record.read_text().replace('"read": 41', '"read": 42'))
    assert not evaluate(filled, "raw_flights", "counting_law").passed


def test_nothing_held_back_fails_over_the_quarantine_limit(filled: Platform) -> None:
    write_list(filled.bucket, *DAYS, [flight(DAYS[0]), *["one,field,too,few"] * 3])
    result = filled.run(["raw_flights"], *DAYS)
    assert not result.success
    evaluation = evaluate(filled, "raw_flights", "nothing_held_back")
    assert not evaluation.passed
    assert "OPENSKY_QUARANTINE_LIMIT" in str(evaluation.metadata["objects"].value)


def test_plausible_values_warns_and_the_row_stays(filled: Platform) -> None:
    line = flight(DAYS[0]).replace(",600.0,", ",99999.0,")
    write_list(filled.bucket, *DAYS, [line, flight(DAYS[1])])
    assert filled.run(["raw_flights"], *DAYS).success
    evaluation = evaluate(filled, "raw_flights", "plausible_values")
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.WARN
    assert evaluation.metadata["outside/altitude_1"].value == 1
    (row,) = evaluation.metadata["rows"].value
    assert re.fullmatch(r"altitude_1 99999\.0 where icao24 = \w{6} and .*lastseen = .*", row), row
    assert filled.metadata("raw_flights", DAYS[0])["written"] == 1


@pytest.mark.parametrize("damage", ["lose", "double", "swap", "change"])
def test_no_flight_lost_or_doubled(filled: Platform, damage: str) -> None:
    path = filled.lake.path(f"core/enriched_flights/day={DAYS[0]}/enriched_flights.parquet")
    rows = pl.read_parquet(path, hive_partitioning=False)
    damaged = {
        "lose": rows.tail(-1),
        "double": pl.concat([rows, rows.head(1)]),
        "swap": pl.concat([rows.tail(-1), rows.tail(1)]),  # one lost, one doubled: the count is right
        "change": rows.with_columns(pl.col("callsign").str.replace("SWR002", "SWR999")),
    }[damage]
    damaged.write_parquet(path)
    assert not evaluate(filled, "enriched_flights", "no_flight_lost_or_doubled").passed


def test_unique_icao24_fails_on_a_doubled_aircraft(filled: Platform) -> None:
    path = filled.lake.path(AIRCRAFT_DATABASE.path)
    before = snapshot_of(filled.lake, AIRCRAFT_DATABASE)
    rows = pl.read_parquet(path)
    pl.concat([rows, rows]).write_parquet(path)
    assert snapshot_of(filled.lake, AIRCRAFT_DATABASE) != before
    assert not evaluate(filled, "aircraft_database", "unique_icao24").passed
