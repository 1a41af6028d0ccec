"""Raw and core tables by either engine, without Dagster; and how their rows compare."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from opensky_assets.ingest.reference import publish_airports, snapshot_of, sync_aircraft
from opensky_assets.ingest.runner import ingest_objects
from opensky_assets.ingest.spark_runner import SparkRunner
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import Lake, open_lake
from opensky_assets.schemas import AIRCRAFT_DATABASE, FLIGHTS, STATE_VECTORS
from opensky_assets.settings import Settings
from opensky_assets.sources.store import open_source
from opensky_assets.transforms.enrich import FLIGHT_ENRICHMENT, STATE_ENRICHMENT
from opensky_assets.transforms.on_duckdb import enriched_batches
from opensky_assets_tests.lakes import write_days

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
    snapshot = snapshot_of(lake, AIRCRAFT_DATABASE)
    for contract, what in ((FLIGHTS, FLIGHT_ENRICHMENT), (STATE_VECTORS, STATE_ENRICHMENT)):
        sync_days(contract, days, store, lake, settings, today, lambda text: None, runner)
        files = lake.committed(contract.name, days)
        if session:
            from opensky_assets.transforms.on_spark import enrich_on_spark

            enrich_on_spark(session, what, lake, files, snapshot, days)
        else:
            write_days(lake, what.result, enriched_batches(what, lake, files, snapshot, 1), list(days))
    return lake


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
