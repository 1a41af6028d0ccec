"""Each flight once, from the source's objects to the marts: against counts that DuckDB makes of the objects alone."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import duckdb
import pytest

from opensky_assets.checks.core import flights_not_accounted_for, lost_or_doubled
from opensky_assets.ingest.reference import sync_aircraft
from opensky_assets.ingest.sync import sync_days
from opensky_assets.report.data import report_data
from opensky_assets.schemas import CORE_FLIGHTS, ENRICHED_FLIGHTS, FLIGHTS, STATE_VECTORS
from opensky_assets.schemas.tables import marts
from opensky_assets.settings import load_settings
from opensky_assets.storage.objects import LocalStore
from opensky_assets.transforms.enrich import STATE_ENRICHMENT
from opensky_assets.transforms.flights import work_on_flights
from opensky_assets.transforms.marts import build_marts
from opensky_assets.transforms.verify import verify
from opensky_assets_tests.commands import SHARED_DATA, needs_shared_data
from opensky_assets_tests.containers import hour_tar
from opensky_assets_tests.dbt_models import CompiledModels, compile_models
from opensky_assets_tests.flight_lists import flight, write_list
from opensky_assets_tests.lakes import LocalLake, publish_airports
from opensky_assets_tests.services.engines import core
from opensky_assets_tests.state_files import HEADER, answered, epoch, state, write_hour, write_poll

TODAY = date(2025, 10, 1)
DAY, NEXT = "2022-06-25", "2022-06-26"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> CompiledModels:
    return compile_models(tmp_path_factory.mktemp("dbt"))


def made(folder: Path, bucket: Path, days: Sequence[str], models: CompiledModels | None = None) -> LocalLake:
    """The lake of a bucket with these days of raw and core tables, and of the marts where models are given."""
    lake, store = LocalLake.at(folder), LocalStore(bucket)
    settings = load_settings(source=str(bucket), lake=str(folder))
    sync_aircraft(store, lake, settings, TODAY, lambda text: None)
    publish_airports(lake)
    for contract in (FLIGHTS, STATE_VECTORS):
        sync_days(contract, days, store, lake, settings, TODAY, lambda text: None)
    core(lake, days)
    if models:
        build_marts(lake, days, marts(), models.build)
    return lake


def rows(lake: LocalLake, table: str, columns: str = "* EXCLUDE (day)", order: str = "ALL") -> list[tuple]:
    pattern = f"{lake.root}/{table}/*/*.parquet"
    with duckdb.connect() as duck:
        duck.execute("SET TimeZone = 'UTC'")
        found = f"read_parquet('{pattern}', hive_partitioning = true)"
        return duck.execute(f"SELECT {columns} FROM {found} ORDER BY {order}").fetchall()


# --- recorded answers ----------------------------------------------------------------------------------------------

RECORDED = """
    SELECT icao24, firstSeen, lastSeen, max(estDepartureAirport) AS origin, max(estArrivalAirport) AS destination
    FROM read_json(?, format = 'newline_delimited', sample_size = -1,
                   columns = {icao24: 'VARCHAR', firstSeen: 'BIGINT', lastSeen: 'BIGINT',
                              estDepartureAirport: 'VARCHAR', estArrivalAirport: 'VARCHAR'})
    GROUP BY icao24, firstSeen, lastSeen
"""
"""Each distinct flight of the answers once, with the airports that any of its records knows."""


@needs_shared_data
@pytest.mark.slow
def test_recorded_answers_count_each_flight_once(tmp_path: Path, models: CompiledModels) -> None:
    polls = SHARED_DATA / "rest" / "poll"
    source = [str(path) for path in sorted(polls.glob("flights_*/**/*.gz"))]
    with duckdb.connect() as duck:
        duck.execute("SET TimeZone = 'UTC'")
        duck.execute("CREATE TABLE truth AS " + RECORDED, [source])
        count = duck.execute("SELECT count(*), count(*) FILTER (firstSeen IS NOT NULL) FROM truth").fetchone()
        assert count == (6295, 6294)
        days = [
            str(day)
            for (day,) in duck.execute("SELECT DISTINCT to_timestamp(lastSeen)::DATE FROM truth ORDER BY 1").fetchall()
        ]
        both = "origin IS NOT NULL AND destination IS NOT NULL"
        routes = duck.execute(f"SELECT origin, destination, count(*) FROM truth WHERE {both} GROUP BY ALL ORDER BY ALL")
        expected_routes = routes.fetchall()
        expected_inbound = duck.execute(
            "SELECT destination, count(*) FROM truth WHERE destination IS NOT NULL GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    lake = made(tmp_path / "lake", polls, days, models)
    assert len(rows(lake, FLIGHTS.path, "1")) == 16_694
    assert len(rows(lake, CORE_FLIGHTS.path, "1")) == len(rows(lake, ENRICHED_FLIGHTS.path, "1")) == 6295
    with duckdb.connect() as duck:
        pattern = f"{lake.root}/marts/%s/*/*.parquet"
        sums = "SELECT origin, destination, sum(flights)::BIGINT FROM read_parquet(?) GROUP BY ALL ORDER BY ALL"
        found = duck.execute(sums, [pattern % "routes"]).fetchall()
        inbound = (
            "SELECT airport, sum(inbound)::BIGINT AS n FROM read_parquet(?) GROUP BY ALL HAVING n > 0 ORDER BY ALL"
        )
        assert duck.execute(inbound, [pattern % "airport_traffic"]).fetchall() == expected_inbound
        law = "SELECT measure, sum(records)::BIGINT FROM read_parquet(?) WHERE table_name = 'core_flights' GROUP BY ALL"
        counts = dict(duck.execute(law, [pattern % "data_quality_daily"]).fetchall())
    assert found == expected_routes and sum(n for *_, n in found) == 4967
    assert counts == {"inputs:api": 16_694, "flights:api": 6295, "repeated:api": 10_399, "superseded:api": 0}
    assert flights_not_accounted_for(lake, days) == {}
    page = report_data(lake, days[0], days[-1], days)
    assert page.totals["flights"] == 6295 and sum(route.flights for route in page.top_routes) <= 4967
    proof = verify(lake)
    assert (proof.problems, proof.due, proof.strays) == ([], {}, [])


# --- the same flights under several keys ---------------------------------------------------------------------------


def write_lists(bucket: Path, copies: bool) -> None:
    lines = [flight(day, icao24=f"4b18{n:02x}", hour=n % 22 + 1) for n in range(40) for day in (DAY, NEXT)]
    path = write_list(bucket, DAY, NEXT, lines)
    if copies:
        shutil.copy(path, path.with_name("flightlist_20220625_20220630.csv.gz"))
        (bucket / "flights" / "x.csv").write_bytes(gzip.decompress(path.read_bytes()))
        shutil.copy(path, bucket / "flights" / "x.csv.gz")


def test_the_same_lists_under_other_keys_change_no_mart(tmp_path: Path, models: CompiledModels) -> None:
    lakes = []
    for name, copies in (("one", False), ("four", True)):
        write_lists(tmp_path / name, copies)
        lakes.append(made(tmp_path / f"{name}-lake", tmp_path / name, [DAY, NEXT], models))
    one, four = lakes
    assert len(rows(four, FLIGHTS.path, "1")) == 4 * len(rows(one, FLIGHTS.path, "1")) == 320
    without = "* EXCLUDE (day, source_objects)"
    assert rows(four, ENRICHED_FLIGHTS.path, without) == rows(one, ENRICHED_FLIGHTS.path, without)
    for mart in marts():
        if mart.name != "data_quality_daily":
            assert rows(four, mart.contract.path) == rows(one, mart.contract.path), mart.name
    (objects,) = {tuple(found) for (found,) in rows(four, CORE_FLIGHTS.path, "source_objects")}
    assert objects == (
        "flights/flightlist_20220625_20220626.csv.gz",
        "flights/flightlist_20220625_20220630.csv.gz",
        "flights/x.csv",
        "flights/x.csv.gz",
    )


# --- lists and the API ---------------------------------------------------------------------------------------------


def write_answer(bucket: Path, flights: Sequence[tuple[str, int, int]]) -> None:
    records = [
        {"icao24": icao24, "firstSeen": first, "lastSeen": last, "callsign": "SWR1", "estDepartureAirport": "LSZH"}
        for icao24, first, last in flights
    ]
    path = bucket / "flights_api" / DAY / f"flights_all_{DAY}T22.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


MIDNIGHT = epoch(NEXT)
LISTED = f"SWR9,,4b1801,HB-JVA,A320,LSZH,EDDF,{DAY} 23:10:00+00:00,{NEXT} 00:05:00+00:00,{NEXT} 00:00:00+00:00,,,,,,"


def both(lake: LocalLake) -> tuple[list[tuple], list[tuple]]:
    flights = rows(lake, CORE_FLIGHTS.path, "icao24, origin_kind, day::VARCHAR")
    gone = (
        [] if not lake.days("core/superseded_flights") else rows(lake, "core/superseded_flights", "icao24, by_lastseen")
    )
    return flights, gone


@pytest.mark.parametrize("first", ["list", "answer", "both"])
def test_a_flight_of_the_api_gives_way_across_midnight_in_any_order_of_arrival(tmp_path: Path, first: str) -> None:
    """The list's flight ends just after midnight, the API's just before: on other days, and with other times."""
    bucket, lake = tmp_path / "bucket", LocalLake.at(tmp_path / "lake")
    write: dict[str, Callable[[], object]] = {
        "list": lambda: write_list(bucket, NEXT, NEXT, [LISTED]),
        "answer": lambda: write_answer(
            bucket, [("4b1801", MIDNIGHT - 3000, MIDNIGHT - 120), ("4b1802", MIDNIGHT - 3000, MIDNIGHT - 60)]
        ),
    }
    order = [["list", "answer"]] if first == "both" else [[first], [name for name in write if name != first]]
    for names in order:
        for name in names:
            write[name]()
        days = {"list": [NEXT], "answer": [DAY]}
        lake = made(lake.root, bucket, sorted(day for name in names for day in days[name]))
    flights, gone = both(lake)
    assert flights == [("4b1801", "list", NEXT), ("4b1802", "api", DAY)]
    assert [icao24 for icao24, _ in gone] == ["4b1801"]
    assert rows(lake, ENRICHED_FLIGHTS.path, "icao24, day::VARCHAR") == [("4b1801", NEXT), ("4b1802", DAY)]
    assert flights_not_accounted_for(lake, [DAY, NEXT]) == {}
    assert verify(lake).due == {}

    (bucket / "flights" / "flightlist_20220626_20220626.csv.gz").unlink()
    (manifest,) = (m for m in lake.manifests("flights").values() if "flightlist" in m.source.key)
    with lake.run() as run, lake.committing("flights", manifest.source) as seen:
        lake.forget(manifest, run, seen)  # as prune does
    core(lake, [NEXT])
    assert both(lake) == ([("4b1801", "api", DAY), ("4b1802", "api", DAY)], [])


def test_days_that_were_not_made_are_not_made_as_neighbours(tmp_path: Path) -> None:
    write_list(tmp_path / "bucket", DAY, NEXT, [flight(DAY), flight(NEXT)])
    lake = made(tmp_path / "lake", tmp_path / "bucket", [DAY])
    assert lake.days(CORE_FLIGHTS.path) == lake.days(ENRICHED_FLIGHTS.path) == [DAY]
    assert work_on_flights(lake, [NEXT]).neighbours == []


# --- state vectors -------------------------------------------------------------------------------------------------


def test_a_state_of_several_objects_counts_once(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    lines = [state(epoch(DAY, 10, 10 * n), f"4b18{n % 7:02x}") for n in range(50)]
    for hour in (10, 11):
        write_hour(bucket, DAY, hour, [state(epoch(DAY, hour, 10 * n), f"4b18{n % 7:02x}") for n in range(50)])
    text = "".join(f"{line}\n" for line in (HEADER, *lines)).encode()
    again = bucket / "states" / f".{DAY}" / "10" / f"states_{DAY}-10.csv.tar"
    again.parent.mkdir(parents=True)
    again.write_bytes(hour_tar(text, name=f"states_{DAY}-10.csv.gz"))
    poll = write_poll(bucket, epoch(DAY, 12), [answered(contact=epoch(DAY, 12) - 5), answered("4b1899")])
    shutil.copy(poll, poll.with_name(f"again_{poll.name}"))
    lake = made(tmp_path / "lake", bucket, [DAY])
    raw = rows(lake, STATE_VECTORS.path, "icao24, time")
    enriched = rows(lake, "core/enriched_state_vectors", "icao24, time")
    assert len(raw) > len(set(raw)) and enriched == sorted(set(raw))
    record = lake.day_records("core/enriched_state_vectors", [DAY])[DAY]
    assert record.counts == {"inputs": len(raw)} and record.rows == len(set(raw))
    assert lost_or_doubled(lake, [DAY], STATE_ENRICHMENT) == {}
    states = report_data(lake, DAY, DAY, [DAY]).states  # of the hourly files, without the polls
    assert states is not None and states.records == 100
