"""Whatever order days arrive, change and go in, the marts end as one run over everything would leave them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from opensky_assets.lake import Lake
from opensky_assets.schemas import ENRICHED_FLIGHTS, Contract
from opensky_assets.schemas.tables import mart_named, marts
from opensky_assets.transforms.dbt_outcome import DbtOutcome, DbtRun
from opensky_assets.transforms.marts import MartsReport, build_marts
from opensky_assets.transforms.rows import daily_schema
from opensky_assets_tests.dbt_models import CompiledModels, compile_models
from opensky_assets_tests.lakes import LocalLake, write_days

FIRST = datetime(2022, 6, 25, tzinfo=UTC)
DAYS = [(FIRST + timedelta(n)).date().isoformat() for n in range(5)]
AIRPORT_TRAFFIC = mart_named("airport_traffic").contract
AIRPORT_MOVEMENTS_HOURLY = mart_named("airport_movements_hourly").contract
AIRPORTS = ("LSZH", "LSZH", "60CO", None)
HOUR = 3600


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> CompiledModels:
    return compile_models(tmp_path_factory.mktemp("compiled"))


def flight(
    day: str, second: int, lasted: int | None, origin: str | None, destination: str | None, plane: int = 1
) -> dict:
    last = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(seconds=second)
    return {
        "day": last.date(),
        "icao24": f"4b18{plane:02x}",
        "lastseen": last,
        "firstseen": None if lasted is None else last - timedelta(seconds=lasted),
        "origin": origin,
        "destination": destination,
        "typecode": "A320" if plane % 2 else None,
        "duration_s": lasted,
        "distance_km": 285.123456789 * plane,
        "aircraft_matched": bool(plane % 2),
        "aircraft_snapshot": "one",
        "source_objects": ["flights/a.csv.gz"],
        "origin_kind": "list",
    }


# 60 h: longer than any real flight, left out of the departures and counted.
durations = st.sampled_from([None, 0, 59, HOUR, 23 * HOUR, 25 * HOUR, 47 * HOUR, 60 * HOUR])
seconds = st.sampled_from([0, 1200, 3600, 12 * HOUR, 24 * HOUR - 1800, 24 * HOUR - 1])
day_flights = st.lists(
    st.tuples(seconds, durations, st.sampled_from(AIRPORTS), st.sampled_from(AIRPORTS), st.integers(1, 4)), max_size=8
)


def put(lake: LocalLake, day: str, flights: Sequence[tuple]) -> None:
    """The day's flights as they are now; none at all takes the day's file away."""
    rows = sorted((flight(day, *given) for given in flights), key=lambda row: (row["lastseen"], row["icao24"]))
    table = pa.Table.from_pylist(rows, schema=daily_schema(ENRICHED_FLIGHTS))
    write_days(lake, ENRICHED_FLIGHTS, table.to_reader(), [day])


def tree(lake: LocalLake) -> dict[str, bytes]:
    """Every published file of the marts."""
    root = lake.path("marts")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.parquet")}


def rows(lake: LocalLake, contract_path: str, day: str) -> list[dict]:
    files = lake.day_files(contract_path, [day])
    return pq.read_table(lake.path(files[day][0]), partitioning=None).to_pylist() if files else []


def days_of(report: MartsReport, mart: Contract) -> list[str]:
    return list(report.rows[mart.name])


@given(
    changes=st.lists(st.tuples(st.sampled_from(DAYS[1:4]), day_flights), min_size=2, max_size=6),
    together=st.lists(st.booleans(), min_size=6, max_size=6),
)
@hypothesis_settings(max_examples=12)
def test_any_order_ends_as_a_full_rebuild(
    changes: list, together: list, models: CompiledModels, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Days come, change and go one by one or several before a run; each run asks for the days that changed."""
    folder = tmp_path_factory.mktemp("orders")
    one, other = LocalLake.at(folder / "one"), LocalLake.at(folder / "other")
    final: dict[str, list] = {}
    waiting: list[str] = []
    for (day, flights), wait in zip(changes, together, strict=False):
        put(one, day, flights)
        final[day] = flights
        waiting.append(day)
        if not wait:
            build_marts(one, sorted(set(waiting)), marts(), models.build)
            waiting = []
    if waiting:
        build_marts(one, sorted(set(waiting)), marts(), models.build)
    for day, flights in final.items():
        put(other, day, flights)
    build_marts(other, DAYS, marts(), models.build)
    assert tree(one) == tree(other)
    shutil.rmtree(folder)


def test_a_late_day_refreshes_the_days_around_it(models: CompiledModels, tmp_path: Path) -> None:
    lake = LocalLake.at(tmp_path)
    # On the third day at 00:10 an arrival that took off two days before; on the fourth, within the hour, another.
    put(lake, DAYS[3], [(1200, HOUR, "EDDF", "LSZH")])
    first = build_marts(lake, [DAYS[3]], marts(), models.build)
    assert days_of(first, AIRPORT_TRAFFIC) == [DAYS[2], DAYS[3]]  # it took off at 23:20 the day before
    assert rows(lake, AIRPORT_MOVEMENTS_HOURLY.path, DAYS[3])[0]["rolling_60min_max"] == 1

    put(lake, DAYS[2], [(24 * HOUR - 60, 47 * HOUR, "EDDF", "LSZH")])
    late = build_marts(lake, [DAYS[2]], marts(), models.build)
    assert days_of(late, AIRPORT_TRAFFIC) == [DAYS[1], DAYS[2]]  # took off at 00:59 on the day before
    assert days_of(late, AIRPORT_MOVEMENTS_HOURLY) == [DAYS[1], DAYS[2], DAYS[3]]  # 23:59 and 00:20: one rolling hour
    assert rows(lake, AIRPORT_MOVEMENTS_HOURLY.path, DAYS[3])[0]["rolling_60min_max"] == 2

    again = build_marts(lake, [DAYS[2]], marts(), models.build)
    assert days_of(again, AIRPORT_MOVEMENTS_HOURLY) == [DAYS[2]]  # nothing new around it, so nothing is published

    put(lake, DAYS[2], [])
    gone = build_marts(lake, [DAYS[2]], marts(), models.build)
    assert gone.rows[AIRPORT_TRAFFIC.name] == {DAYS[1]: 0, DAYS[2]: 1}
    assert lake.days(AIRPORT_TRAFFIC.path) == [DAYS[2], DAYS[3]]
    assert lake.days("marts/routes") == [DAYS[3]]


def test_departures_beyond_reach_are_left_out_and_counted(models: CompiledModels, tmp_path: Path) -> None:
    lake = LocalLake.at(tmp_path)
    put(lake, DAYS[3], [(10, 60 * HOUR, "EDDF", "LSZH"), (20, None, "EDDF", None), (30, HOUR, None, "LSZH")])
    build_marts(lake, DAYS, marts(), models.build)
    assert lake.days(AIRPORT_TRAFFIC.path) == [DAYS[3]]
    (zurich,) = rows(lake, AIRPORT_TRAFFIC.path, DAYS[3])
    assert (zurich["airport"], zurich["outbound"], zurich["inbound"], zurich["origins"]) == ("LSZH", 0, 2, 1)
    quality = {row["measure"]: row["records"] for row in rows(lake, "marts/data_quality_daily", DAYS[3])}
    assert (quality["flights"], quality["departures_not_counted"], quality["arrivals_not_counted"]) == (3, 3, 1)
    assert (quality["origin_not_given"], quality["firstseen_not_given"]) == (1, 1)


def test_a_day_reads_only_the_files_around_it(models: CompiledModels, tmp_path: Path) -> None:
    """A new day costs the same however many days the lake has: it names the files that it reads."""
    lake = LocalLake.at(tmp_path)
    days = [(FIRST + timedelta(n)).date().isoformat() for n in range(40)]
    for day in days:
        put(lake, day, [(HOUR, HOUR, "EDDF", "LSZH")])
    seen: dict[str, str] = {}

    def build(lake: Lake, run: DbtRun) -> DbtOutcome:
        with duckdb.connect(str(run.database)) as connection:
            query = "SELECT schema_name, sql FROM duckdb_views() WHERE view_name = 'enriched_flights'"
            seen.update(connection.execute(query).fetchall())
        return models.build(lake, run)

    build_marts(lake, [days[20]], marts(), build)
    named = {name: [day for day in days if f"day={day}" in sql] for name, sql in seen.items()}
    assert named == {"lake_stg_flights": [days[20]], "lake_stg_movements": days[17:24]}
    assert "*" not in seen["lake_stg_movements"].replace("SELECT *", "")
