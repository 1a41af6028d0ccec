"""Marts and reports as assets: which days a run materializes, and what it says of them."""

from __future__ import annotations

import dagster as dg
import pytest

from opensky_assets_tests.dagster.conftest import Platform
from opensky_assets_tests.flight_lists import flight, write_aircraft, write_list

FIRST, SECOND, THIRD = "2022-06-25", "2022-06-26", "2022-06-27"
BEFORE = "2022-06-24"


@pytest.fixture
def filled(platform: Platform) -> Platform:
    """Three days of flights; the first one has a flight that left the evening before."""
    overnight = flight(FIRST, hour=10).replace(f"{FIRST} 09:00:00", f"{BEFORE} 22:00:00")
    lines = [
        overnight,
        *(flight(day, icao24=f"4b18{hour:02x}", hour=hour) for day in (FIRST, SECOND) for hour in (12, 15)),
    ]
    write_list(platform.bucket, FIRST, SECOND, lines)
    write_list(platform.bucket, THIRD, THIRD, [flight(THIRD)])
    write_aircraft(platform.bucket)
    assert platform.run(["aircraft_database", "airports"]).success
    return platform


def test_a_range_and_then_the_next_day(filled: Platform) -> None:
    assets = [
        "raw_flights",
        "flights",
        "enriched_flights",
        "airport_traffic",
        "routes",
        "data_quality_daily",
        "daily_report",
    ]
    assert filled.run(assets, FIRST, SECOND).success
    # Departures of the evening before are on a day that the run was not about, and that has no flight list.
    assert filled.materialized("airport_traffic") == [BEFORE, FIRST, SECOND]
    assert filled.materialized("routes") == [FIRST, SECOND]
    assert filled.metadata("airport_traffic", BEFORE)["dagster/partition_row_count"] == 1
    assert filled.lake.days("marts/airport_traffic") == [BEFORE, FIRST, SECOND]
    # Of a range the last day gets its page.
    assert filled.materialized("daily_report") == [SECOND]
    assert "map" not in filled.metadata("daily_report", SECOND)

    assert filled.run(assets, THIRD).success
    assert filled.materialized("daily_report") == [SECOND, THIRD]
    told = filled.metadata("daily_report", THIRD)
    assert str(told["map"]).startswith("![Routes](data:image/png;base64,")
    assert told["page"] == f"http://127.0.0.1:3001/reports/day={THIRD}/report.html"
    assert filled.lake.path(f"reports/day={THIRD}/report.html").is_file()
    assert filled.lake.path(f"reports/day={THIRD}/map.png").is_file()
    # Nothing new on the days around it: their history stays as it is.
    assert len(filled.instance.fetch_materializations(dg.AssetKey("airport_traffic"), limit=50).records) == 4

    assert filled.run(["range_report"]).success
    page = filled.lake.path(f"reports/range={FIRST}_{THIRD}/report.html").read_text()
    assert "25 June 2022 to 27 June 2022" in page


@pytest.mark.slow
def test_a_report_of_nothing_says_what_to_do(platform: Platform) -> None:
    done = platform.run(["range_report"])
    assert not done.success
    failure = done.failure_data_for_node("range_report")
    assert failure is not None and "materialize them first" in str(failure.error)


@pytest.mark.slow
@pytest.mark.parametrize("day", ["x'; DROP", "2022-6-5", "20220605", "../2022-06-05"])
@pytest.mark.parametrize("end", ["first", "last"])
def test_a_report_of_what_is_no_day_is_refused(platform: Platform, end: str, day: str) -> None:
    config = {"ops": {"range_report": {"config": {end: day}}}}
    done = platform.run(["range_report"], config=config)
    failure = done.failure_data_for_node("range_report")
    assert failure is not None and failure.user_failure_data is not None
    assert failure.user_failure_data.description == f"{end}: {day!r} is not a day: write it as 2022-06-25"
