"""Every mart over the whole recorded sample, against what DuckDB makes of the CSV files without this package."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import airportsdata
import duckdb
import pyarrow as pa
import pytest

from opensky_assets.ingest.reference import sync_aircraft
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake.connect import connect
from opensky_assets.resources.dbt import DbtResource
from opensky_assets.schemas import FLIGHTS
from opensky_assets.schemas.tables import marts as all_marts
from opensky_assets.settings import load_settings
from opensky_assets.storage.objects import LocalStore
from opensky_assets.transforms.marts import MartsReport, build_marts
from opensky_assets_tests.commands import SHARED_DATA, needs_shared_data
from opensky_assets_tests.lakes import LocalLake, publish_airports
from opensky_assets_tests.services.engines import core

pytestmark = [needs_shared_data, pytest.mark.slow, pytest.mark.timeout(600)]

BUCKET = SHARED_DATA / "bucket"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[LocalLake, MartsReport]:
    """The whole sample brought to marts by the functions that the assets call, with one real run of dbt."""
    lake, store = LocalLake.at(tmp_path_factory.mktemp("lake")), LocalStore(BUCKET)
    settings, today = load_settings(source=str(BUCKET), lake=str(lake.root)), datetime.now(UTC).date()
    sync_aircraft(store, lake, settings, today, lambda _: None)
    publish_airports(lake)
    with duckdb.connect() as files:
        query = (
            f"SELECT DISTINCT lastseen[:10] FROM read_csv('{BUCKET}/flights/*.csv.gz', all_varchar = true) ORDER BY 1"
        )
        days = [day for (day,) in files.execute(query).fetchall()]
    sync_days(FLIGHTS, days, store, lake, settings, today, lambda _: None)
    core(lake, days)
    return lake, build_marts(lake, days, all_marts(), DbtResource().build)


@pytest.fixture(scope="module")
def marts(built: tuple[LocalLake, MartsReport]) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(built[0].root) as connection:
        yield connection


@pytest.fixture(scope="module")
def truth() -> Iterator[duckdb.DuckDBPyConnection]:
    """The CSV files: times as UTC without a zone, and each flight as a departure and an arrival."""
    airports = airportsdata.load("ICAO")
    with duckdb.connect() as connection:
        connection.register(
            "places",
            pa.table(
                {key: [row[key] for row in airports.values()] for key in ("icao", "lat", "lon", "country", "name")}
            ),
        )
        connection.execute(f"""
            CREATE TABLE lists AS
            SELECT trim(icao24).lower() AS icao24, typecode, origin, destination,
                   firstseen[:19]::TIMESTAMP AS took_off, lastseen[:19]::TIMESTAMP AS landed,
                   lastseen[:10]::DATE AS day
            FROM read_csv('{BUCKET}/flights/*.csv.gz', all_varchar = true, header = true)
        """)
        connection.execute("""
            CREATE TABLE movements AS
            SELECT origin AS airport, took_off AS t, 1 AS departed, 0 AS arrived, destination AS other FROM lists
            WHERE origin IS NOT NULL
            UNION ALL
            SELECT destination, landed, 0, 1, origin FROM lists WHERE destination IS NOT NULL
        """)
        yield connection


def same(
    marts: duckdb.DuckDBPyConnection,
    found: str,
    truth: duckdb.DuckDBPyConnection,
    expected: str,
    rows: int | None = None,
) -> None:
    """The two queries give the same rows, none missing, none twice."""
    one, other = marts.execute(found).fetchall(), truth.execute(expected).fetchall()
    assert len(one) == len(other) == len(set(one))
    assert rows is None or len(one) == rows
    assert sorted(set(one) ^ set(other), key=str)[:5] == []


def test_dbt_ran_every_test_and_none_failed(built: tuple[LocalLake, MartsReport]) -> None:
    tests = built[1].tests
    assert all(test.passed for test in tests)
    assert {name for test in tests for name in test.models} >= {mart.name for mart in all_marts()}


def test_airport_movements_hourly(marts: duckdb.DuckDBPyConnection, truth: duckdb.DuckDBPyConnection) -> None:
    """Every airport and hour, the rolling count included: counted here by a join of each movement with all others."""
    expected = """
        WITH rolling AS (
            SELECT one.airport, one.t, count(*) AS n
            FROM (SELECT DISTINCT airport, t FROM movements) AS one
            JOIN movements AS other
              ON other.airport = one.airport AND other.t <= one.t AND other.t > one.t - INTERVAL 1 HOUR
            GROUP BY ALL
        ),
        peaks AS (SELECT airport, date_trunc('hour', t) AS hour, max(n) AS peak FROM rolling GROUP BY ALL),
        hours AS (
            SELECT airport, date_trunc('hour', t) AS hour, sum(arrived)::BIGINT AS arrivals,
                   sum(departed)::BIGINT AS departures
            FROM movements GROUP BY ALL
        )
        SELECT hour::DATE, airport, hour, arrivals, departures, peak FROM hours JOIN peaks USING (airport, hour)
    """
    found = """
        SELECT day, airport, hour AT TIME ZONE 'UTC', arrivals, departures, rolling_60min_max
        FROM airport_movements_hourly
    """
    same(marts, found, truth, expected)


def test_airport_traffic(marts: duckdb.DuckDBPyConnection, truth: duckdb.DuckDBPyConnection) -> None:
    expected = """
        SELECT t::DATE, airport, name, country, sum(departed)::BIGINT, sum(arrived)::BIGINT,
               count(DISTINCT other) FILTER (departed = 1), count(DISTINCT other) FILTER (arrived = 1)
        FROM movements LEFT JOIN places ON icao = airport GROUP BY ALL
    """
    found = "SELECT day, airport, airport_name, country, outbound, inbound, destinations, origins FROM airport_traffic"
    same(marts, found, truth, expected)


def test_movements_on_days_without_a_flight_list(
    built: tuple[LocalLake, MartsReport], marts: duckdb.DuckDBPyConnection, truth: duckdb.DuckDBPyConnection
) -> None:
    """Flights last seen on the first day of a list left the evening before, which has no list: they are there."""
    query = "SELECT count(*) FROM movements WHERE departed = 1 AND t::DATE NOT IN (SELECT day FROM lists)"
    ((evening,),) = truth.execute(query).fetchall()
    found = """
        SELECT sum(outbound), min(day)::VARCHAR FROM airport_traffic WHERE day NOT IN (SELECT day FROM raw_flights)
    """
    ((counted, first),) = marts.execute(found).fetchall()
    assert (counted, first) == (evening, "2018-12-31")
    assert evening > 0
    assert "2018-12-31" in built[1].rows["airport_traffic"]


def test_routes(marts: duckdb.DuckDBPyConnection, truth: duckdb.DuckDBPyConnection) -> None:
    expected = """
        SELECT day, origin, destination, count(*), count(DISTINCT icao24),
               round(avg(epoch(landed) - epoch(took_off)), 3)
        FROM lists WHERE origin IS NOT NULL AND destination IS NOT NULL GROUP BY ALL
    """
    found = "SELECT day, origin, destination, flights, aircraft, round(mean_duration_s, 3) FROM routes"
    same(marts, found, truth, expected)
    top = marts.execute("FROM routes_between('2019-01-01', '2020-04-30') LIMIT 5").fetchall()
    assert [row[:3] for row in top] == [
        ("YSSY", "YMML", 176),
        ("YMML", "YSSY", 171),
        ("YBBN", "YSSY", 132),
        ("VIDP", "VABB", 121),
        ("VABB", "VIDP", 113),
    ]


def test_od_matrix(marts: duckdb.DuckDBPyConnection, truth: duckdb.DuckDBPyConnection) -> None:
    """Of each day, and of the whole sample, with the measures worked out by hand from the pairs."""
    pairs: dict[str, dict[tuple[str, str], int]] = {}
    query = (
        "SELECT day::VARCHAR, origin, destination, count(*) FROM lists WHERE origin || destination <> '' GROUP BY ALL"
    )
    for day, origin, destination, flights in truth.execute(query).fetchall():
        pairs.setdefault(day, {})[origin, destination] = flights
        whole = pairs.setdefault("all", {})
        whole[origin, destination] = whole.get((origin, destination), 0) + flights

    def matrix(served: dict[tuple[str, str], int], n: int) -> tuple[list[tuple], tuple]:
        load: dict[str, int] = {}
        for ends, flights in served.items():
            for airport in ends:
                load[airport] = load.get(airport, 0) + flights
        names = sorted(load, key=lambda airport: (-load[airport], airport))[:n]
        cells = [
            (origin, destination, served.get((origin, destination), 0)) for origin in names for destination in names
        ]
        connected = sum(flights > 0 and origin != destination for origin, destination, flights in cells)
        filled = sum(flights > 0 for *_, flights in cells)
        size = len(names)
        return cells, (size, connected, connected / (size * (size - 1)), filled / size**2)

    columns = "origin, destination, flights, airports, pairs_served, connectivity, connectivity_all_cells"
    order = "ORDER BY origin_rank, destination_rank"
    found: dict[str, list[tuple]] = {}
    for day, *row in marts.execute(f"SELECT day::VARCHAR, {columns} FROM od_matrix {order}").fetchall():
        found.setdefault(day, []).append(tuple(row))
    found["all"] = marts.execute(
        f"SELECT {columns} FROM od_matrix_between('2019-01-01', '2020-04-30', busiest := 40) {order}"
    ).fetchall()
    assert found.keys() == pairs.keys()
    for day, rows in found.items():
        cells, measures = matrix(pairs[day], 40 if day == "all" else 15)
        assert [row[:3] for row in rows] == cells
        (measured,) = {row[3:] for row in rows}
        assert measured == pytest.approx(measures)


def test_manufacturers(marts: duckdb.DuckDBPyConnection, truth: duckdb.DuckDBPyConnection) -> None:
    planes = marts.sql("SELECT icao24, manufacturericao, manufacturername FROM aircraft_database")
    truth.register("planes", planes.to_arrow_table())
    expected = """
        SELECT day, upper(coalesce(manufacturericao, manufacturername)), typecode, count(*), count(DISTINCT icao24)
        FROM lists LEFT JOIN planes USING (icao24) GROUP BY ALL
    """
    same(marts, "SELECT day, manufacturer, typecode, flights, aircraft FROM manufacturers", truth, expected)


def test_aircraft_utilisation(marts: duckdb.DuckDBPyConnection, truth: duckdb.DuckDBPyConnection) -> None:
    """Kilometres by the spherical law of cosines, which is another formula than the one in use."""
    expected = """
        SELECT day, icao24, count(*), round(sum(epoch(landed) - epoch(took_off)) / 3600, 6),
               round(sum(CASE WHEN one.icao = other.icao THEN 0 ELSE 6371.0088 * acos(
                   sin(radians(one.lat)) * sin(radians(other.lat))
                   + cos(radians(one.lat)) * cos(radians(other.lat)) * cos(radians(one.lon - other.lon))) END)),
               count(*) FILTER (one.icao IS NOT NULL AND other.icao IS NOT NULL)
        FROM lists LEFT JOIN places AS one ON one.icao = origin LEFT JOIN places AS other ON other.icao = destination
        GROUP BY ALL
    """
    found = """
        SELECT day, icao24, legs, round(hours, 6), round(distance_km), legs_with_distance FROM aircraft_utilisation
    """
    same(marts, found, truth, expected)


def test_data_quality_daily(marts: duckdb.DuckDBPyConnection, truth: duckdb.DuckDBPyConnection) -> None:
    expected = """
        WITH known AS (
            SELECT day, count(*) AS flights, count(*) FILTER (origin IS NULL) AS origin_not_given,
                   count(*) FILTER (destination IS NULL) AS destination_not_given,
                   count(*) FILTER (one.icao IS NULL) AS unknown_origin,
                   count(*) FILTER (other.icao IS NULL) AS unknown_destination
            FROM lists LEFT JOIN places AS one ON one.icao = origin
            LEFT JOIN places AS other ON other.icao = destination GROUP BY day
        )
        UNPIVOT known ON COLUMNS(* EXCLUDE (day)) INTO NAME measure VALUE records
    """
    measures = "'flights', 'origin_not_given', 'destination_not_given', 'unknown_origin', 'unknown_destination'"
    found = f"""
        SELECT day, measure, records FROM data_quality_daily
        WHERE table_name = 'enriched_flights' AND measure IN ({measures})
    """
    same(marts, found, truth, expected)
    totals = dict(
        marts.execute(
            "SELECT table_name || '/' || measure, records FROM data_quality_daily_between('2019-01-01', '2020-04-30')"
        ).fetchall()
    )
    assert totals["flights/read"] == totals["flights/written"] == totals["enriched_flights/flights"] == 120_000
    # Every flight is a departure and an arrival, but for those counted as not.
    ((departures, arrivals),) = marts.execute("SELECT sum(outbound), sum(inbound) FROM airport_traffic").fetchall()
    assert departures == 120_000 - totals["enriched_flights/departures_not_counted"] == 120_000 - 32_429
    assert arrivals == 120_000 - totals["enriched_flights/arrivals_not_counted"] == 120_000 - 27_894
