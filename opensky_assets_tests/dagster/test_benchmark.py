"""What runs used, as Dagster shows it, and the benchmark as assets."""

from __future__ import annotations

from datetime import date

import dagster as dg
import pytest

from opensky_assets.sources.simulate import simulate
from opensky_assets_tests.dagster.conftest import Platform
from opensky_assets_tests.flight_lists import flight, write_aircraft, write_list

DAYS = ("2020-01-01", "2020-01-02", "2020-01-03")
FIGURES = ("duration_s", "cpu_s", "peak_memory_mb")


@pytest.fixture
def three_days(platform: Platform) -> Platform:
    write_aircraft(platform.bucket)
    for day in DAYS:
        write_list(platform.bucket, day, day, [flight(day)])
    assert platform.run(["aircraft_database", "airports"]).success
    return platform


def test_a_day_says_what_it_took(three_days: Platform) -> None:
    assert three_days.run(["raw_flights", "flights", "enriched_flights"], DAYS[0]).success
    for asset in ("raw_flights", "enriched_flights"):
        found = three_days.metadata(asset, DAYS[0])
        assert all(isinstance(found[name], float) and found[name] > 0 for name in FIGURES), found
        assert found["figures_of"] == "run over this day"
        assert found["rows_per_s"] > 0  # type: ignore[operator]
    size = (
        three_days.bucket / f"flights/flightlist_{DAYS[0].replace('-', '')}_{DAYS[0].replace('-', '')}.csv.gz"
    ).stat()
    assert three_days.metadata("raw_flights", DAYS[0])["received_mb"] == pytest.approx(size.st_size / 1e6, abs=0.001)


@pytest.mark.parametrize("last", [DAYS[2], "2020-01-05"], ids=["all days there", "days missing"])
def test_a_range_says_it_once(three_days: Platform, last: str) -> None:
    assert three_days.run(["raw_flights", "flights", "enriched_flights"], DAYS[0], last).success
    for asset in ("raw_flights", "enriched_flights"):
        found = {day: three_days.metadata(asset, day) for day in DAYS}
        assert [day for day in DAYS if "cpu_s" in found[day]] == [DAYS[2]]
        assert found[DAYS[2]]["figures_of"] == f"run over 3 days, {DAYS[0]} to {DAYS[2]}"


@pytest.mark.slow
def test_the_benchmark_and_its_page_are_assets(platform: Platform) -> None:
    platform.bucket.rmdir()
    simulate(platform.bucket, start=date(2022, 6, 25), days=1, aircraft=5, seed=1, states_hours=3)
    config = {"ops": {"ingest_benchmark": {"config": {"repeats": 1, "limit": 3}}}}
    job = platform.definitions.resolve_implicit_global_asset_job_def()
    keys = {dg.AssetKey("ingest_benchmark"), dg.AssetKey("benchmark_report")}
    checks = {dg.AssetCheckKey(dg.AssetKey("ingest_benchmark"), "no_regression")}
    chosen = job.get_subset(asset_selection=keys, asset_check_selection=checks)
    result = chosen.execute_in_process(instance=platform.instance, run_config=config, raise_on_error=False)
    assert result.success
    (event,) = result.asset_materializations_for_node("ingest_benchmark")
    assert event.metadata["dagster/row_count"].value == 3
    assert event.metadata["files_count"].value == 3
    assert event.metadata["duration_s"].value > 0
    assert "files_count,duration_sec,avg_cpu,avg_ram,net_mb,disk_mb\n" in event.metadata["runs"].value
    (check,) = result.get_asset_check_evaluations()
    assert check.passed and check.metadata["judged"].value == 0  # nothing to compare with, and it says so
    (page,) = result.asset_materializations_for_node("benchmark_report")
    assert page.metadata["panels"].value.count("data:image/png;base64,") == 4
    assert platform.lake.path("reports/benchmark/report.html").is_file()
