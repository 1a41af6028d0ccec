"""Raw and core tables by either engine, without Dagster; and how their rows compare."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from opensky_assets.engines.on_duckdb import enriched_batches, flights_on_duckdb
from opensky_assets.engines.spark.ingest import SparkRunner
from opensky_assets.ingest.reference import publish_airports, sync_aircraft
from opensky_assets.ingest.runner import ingest_objects
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import Lake, open_lake
from opensky_assets.lake.days import DayRows, write_days
from opensky_assets.schemas import AIRCRAFT_DATABASE, FLIGHTS, STATE_VECTORS
from opensky_assets.settings import Settings
from opensky_assets.storage.objects import open_source
from opensky_assets.transforms.enrich import FLIGHT_ENRICHMENT, STATE_ENRICHMENT, Enrichment
from opensky_assets.transforms.flights import publish_flights, work_on_flights
from opensky_assets.transforms.inputs import inputs_of_enrichment, snapshot_of, states_given, work_on

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ENRICHED = ("enriched_flights", "enriched_state_vectors")


def references(settings: Settings, today: date) -> Lake:
    """The lake of the settings, with its reference tables."""
    lake = open_lake(settings)
    sync_aircraft(open_source(settings), lake, settings, today, lambda text: None)
    publish_airports(lake)
    return lake


def chain(settings: Settings, days: Sequence[str], today: date, session: SparkSession | None = None) -> Lake:
    """The lake of the settings with these days of the raw tables and of what is made of them, by Spark if there is a
    session, else by this machine's engine."""
    lake, store = references(settings, today), open_source(settings)
    runner = SparkRunner(session.sparkContext) if session else ingest_objects
    for contract in (FLIGHTS, STATE_VECTORS):
        sync_days(contract, days, store, lake, settings, today, lambda text: None, runner)
    core(lake, days, session)
    return lake


def core(
    lake: Lake,
    days: Sequence[str],
    session: SparkSession | None = None,
    enrichments: Sequence[Enrichment] = (FLIGHT_ENRICHMENT, STATE_ENRICHMENT),
) -> None:
    """Make the core tables of these days, as their assets do."""
    snapshot = snapshot_of(lake, AIRCRAFT_DATABASE)
    flights = work_on_flights(lake, days)
    if session:
        from opensky_assets.engines.spark.transform import enrich_on_spark, flights_on_spark

        publish_flights(lake, flights, flights_on_spark(session, lake, flights))
    else:
        publish_flights(lake, flights, flights_on_duckdb(lake, flights, 1))
    for what in enrichments:
        inputs_of = partial(inputs_of_enrichment, lake, what)
        work = work_on(lake, what.result, what.raw, inputs_of, days, what.reach)
        if session:
            done = enrich_on_spark(session, what, lake, work, snapshot, inputs_of, states_given(what, work))
        else:
            batches = enriched_batches(what, lake, work.files, snapshot, 1)
            done, _ = write_days(lake, what.result, DayRows(batches, work.inputs, inputs_of, states_given(what, work)))
        done.require_all(what.result.name)


def assert_same_rows(one: Path, other: Path, table: str) -> int:
    """That two lakes in folders have the same rows of a core table; how many. Distances are made by sines, of which
    the engines have their own: to the millimetre."""
    about = "* REPLACE (round(distance_km, 6) AS distance_km, round(mean_speed_kmh, 6) AS mean_speed_kmh)"
    columns = about if table == "enriched_flights" else "*"
    left, right = (
        f"(SELECT {columns} FROM read_parquet('{folder.as_posix()}/core/{table}/*/*.parquet'))"
        for folder in (one, other)
    )
    with duckdb.connect() as connection:
        for a, b in ((left, right), (right, left)):
            assert connection.execute(f"SELECT count(*) FROM (FROM {a} EXCEPT ALL FROM {b})").fetchone() == (0,), table
        counted = connection.execute(f"SELECT count(*) FROM {left}").fetchone()
    assert counted and counted[0] > 0
    return int(counted[0])
