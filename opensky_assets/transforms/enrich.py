"""Flights joined with their aircraft and airports: one ibis expression, whatever engine runs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa

from opensky_assets.lake import Lake
from opensky_assets.lake.warehouse import quoted
from opensky_assets.schemas import AIRCRAFT_DATABASE, AIRPORTS, ENRICHED_FLIGHTS, FLIGHTS

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the Earth (IUGG)."""

CHUNK_ROWS = 1_000_000
"""Flights joined at a time: about what a busy fortnight has. Bounds memory over any range of days."""

BATCH_ROWS = 100_000

AIRLINE_CALLSIGN = "^[A-Z]{3}[0-9]"
"""An airline's callsign: its three-letter ICAO designator, then a flight identification that starts with a digit."""

UTC = dt.Timestamp(timezone="UTC", scale=6)
ENRICHED_WITH_DAY = pa.schema([pa.field("day", pa.date32(), nullable=False), *ENRICHED_FLIGHTS.schema])


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, UTC), dt.Timestamp(scale=6)))
def _local_time(timezone, instant):  # type: ignore[no-untyped-def]
    """DuckDB's `timezone(name, timestamptz)`: the wall clock there at that instant."""


def great_circle_km(lat1: ir.Value, lon1: ir.Value, lat2: ir.Value, lon2: ir.Value) -> ir.Value:
    """Great-circle distance in km between two points in degrees (haversine)."""
    phi1, phi2 = lat1.radians(), lat2.radians()
    half_dphi, half_dlambda = (phi2 - phi1) / 2, (lon2 - lon1).radians() / 2
    h = half_dphi.sin() * half_dphi.sin() + phi1.cos() * phi2.cos() * half_dlambda.sin() * half_dlambda.sin()
    h = ibis.ifelse(h > 1, 1.0, h)  # rounding; not least(), which takes 1 for an unknown h
    return 2 * EARTH_RADIUS_KM * h.sqrt().asin()


def enrich_flights(flights: ir.Table, aircraft: ir.Table, airports: ir.Table, snapshot: str) -> ir.Table:
    """Every flight of `flights` once, with `ENRICHED_FLIGHTS`'s columns behind `day`.

    `aircraft` has one row an icao24 and `airports` one row a code, so that no join doubles a flight; all are left
    joins, so that none loses one.
    """
    plane = aircraft.select(
        "icao24", "manufacturername", "manufacturericao", "model", "operator", "operatoricao"
    ).rename(aircraft_icao24="icao24")
    joined = flights.left_join(plane, flights.icao24 == plane.aircraft_icao24)
    for end in ("origin", "destination"):
        airport = airports.select(
            **{
                f"{end}_{name}": airports[name]
                for name in ("icao", "name", "city", "country", "lat", "lon", "timezone")
            }
        )
        joined = joined.left_join(airport, joined[end] == airport[f"{end}_icao"])
    t = joined
    distance_km = great_circle_km(t.origin_lat, t.origin_lon, t.destination_lat, t.destination_lon)
    duration_s = t.lastseen.delta(t.firstseen, unit="s")
    t = t.mutate(distance_km=distance_km, duration_s=duration_s.cast("int64"))
    flown = (t.duration_s > 0) & (t.distance_km > 0)
    t = t.mutate(
        aircraft_matched=t.aircraft_icao24.notnull(),
        airline_icao=ibis.ifelse(t.callsign.re_search(AIRLINE_CALLSIGN), t.callsign.substr(0, 3), None),
        mean_speed_kmh=ibis.ifelse(flown, t.distance_km / t.duration_s * 3600, None),
        domestic=t.origin_country == t.destination_country,
        departure_local=_local_time(t.origin_timezone, t.firstseen.cast(UTC)),
        arrival_local=_local_time(t.destination_timezone, t.lastseen.cast(UTC)),
        aircraft_snapshot=ibis.literal(snapshot),
    )
    order = [
        "day",
        "lastseen",
        "icao24",
        *(name for name in FLIGHTS.schema.names if name not in ("lastseen", "icao24")),
    ]
    return t.select("day", *ENRICHED_FLIGHTS.schema.names).order_by(order)


def enriched_batches(
    lake: Lake, files: Mapping[str, Sequence[tuple[str, int]]], snapshot: str, threads: int | None
) -> pa.RecordBatchReader:
    """Run `enrich_flights` on DuckDB over the `files` (path in the lake, rows) of each day, in chunks of whole days.

    Returns a reader of `ENRICHED_WITH_DAY`, ordered by day.
    """
    return pa.RecordBatchReader.from_batches(ENRICHED_WITH_DAY, _batches(lake, _chunks(files), snapshot, threads))


def _chunks(files: Mapping[str, Sequence[tuple[str, int]]]) -> Iterator[list[str]]:
    chunk: list[str] = []
    rows = 0
    for day in sorted(files):
        day_rows = sum(count for _, count in files[day])
        if chunk and rows + day_rows > CHUNK_ROWS:
            yield chunk
            chunk, rows = [], 0
        chunk += [path for path, _ in files[day]]
        rows += day_rows
    if chunk:
        yield chunk


def _batches(lake: Lake, chunks: Iterator[list[str]], snapshot: str, threads: int | None) -> Iterator[pa.RecordBatch]:
    connection = ibis.duckdb.connect()
    try:
        lake.attach(connection.con)
        if threads:
            connection.raw_sql(f"SET threads = {threads}")
        planes = _table(connection, "aircraft", [lake.location(AIRCRAFT_DATABASE.path)])
        places = _table(connection, "airports", [lake.location(AIRPORTS.path)])
        for chunk in chunks:
            flights = _table(connection, "flights", [lake.location(path) for path in chunk])
            flights = flights.mutate(
                day=flights.day.cast("date"), firstseen=flights.firstseen.cast(UTC), lastseen=flights.lastseen.cast(UTC)
            )
            query = connection.compile(enrich_flights(flights, planes, places, snapshot))
            for batch in connection.con.sql(query).to_arrow_reader(BATCH_ROWS):  # ibis 12 calls what duckdb 2 dropped
                yield _conform(batch)
    finally:
        connection.disconnect()


def _table(connection: ibis.backends.duckdb.Backend, name: str, locations: Sequence[str]) -> ir.Table:
    """Parquet files as a table. Not by ibis' `read_parquet`, which wants DuckDB's own extension for `s3://`."""
    listed = ", ".join(quoted(location) for location in locations)
    hive = "hive_partitioning = true, hive_types_autocast = false"
    connection.raw_sql(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM read_parquet([{listed}], {hive})")
    return connection.table(name)


def _conform(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [batch.column(f.name).cast(f.type) for f in ENRICHED_WITH_DAY]
    return pa.RecordBatch.from_arrays(columns, schema=ENRICHED_WITH_DAY)


def _column_lineage() -> dict[str, list[tuple[str, str]]]:
    found = {name: [("raw_flights", name)] for name in FLIGHTS.schema.names}
    for name in ("manufacturername", "manufacturericao", "model", "operator", "operatoricao"):
        found[name] = [("aircraft_database", name)]
    found["aircraft_matched"] = [("raw_flights", "icao24"), ("aircraft_database", "icao24")]
    found["airline_icao"] = [("raw_flights", "callsign")]
    ends = ("origin", "destination")
    for end in ends:
        for name in ("name", "city", "country"):
            found[f"{end}_{name}"] = [("raw_flights", end), ("airports", name)]
    found["distance_km"] = [("raw_flights", end) for end in ends] + [("airports", "lat"), ("airports", "lon")]
    found["duration_s"] = [("raw_flights", "firstseen"), ("raw_flights", "lastseen")]
    found["mean_speed_kmh"] = found["distance_km"] + found["duration_s"]
    found["domestic"] = [("raw_flights", end) for end in ends] + [("airports", "country")]
    found["departure_local"] = [("raw_flights", "firstseen"), ("raw_flights", "origin"), ("airports", "timezone")]
    found["arrival_local"] = [("raw_flights", "lastseen"), ("raw_flights", "destination"), ("airports", "timezone")]
    return found


COLUMN_LINEAGE = _column_lineage()
"""Column of `ENRICHED_FLIGHTS` → the (asset, column) pairs it is made of."""
