"""Raw and core tables by either engine, without Dagster; and how their rows compare."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from opensky_assets.engines.engine import Engine
from opensky_assets.engines.local import LocalEngine
from opensky_assets.engines.spark.engine import SparkEngine
from opensky_assets.ingest.reference import sync_aircraft
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import Lake, open_lake
from opensky_assets.lake.days import DayRows
from opensky_assets.lake.tables import ParquetTables, snapshot_of
from opensky_assets.schemas import AIRCRAFT_DATABASE, FLIGHTS, STATE_VECTORS
from opensky_assets.settings import Settings
from opensky_assets.storage.objects import open_source
from opensky_assets.transforms.enrich import FLIGHT_ENRICHMENT, STATE_ENRICHMENT, Enrichment
from opensky_assets.transforms.flights import publish_flights, work_on_flights
from opensky_assets.transforms.inputs import work_on_enrichment
from opensky_assets_tests.lakes import publish_airports

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ENRICHED = ("enriched_flights", "enriched_state_vectors")


def references(settings: Settings, today: date) -> Lake:
    """The lake of the settings, with its reference tables."""
    lake = open_lake(settings)
    sync_aircraft(open_source(settings), lake, settings, today, lambda text: None)
    publish_airports(lake)
    return lake


def engine_of(session: SparkSession | None) -> Engine:
    """Spark if there is a session, else this machine's engine on one core."""
    return SparkEngine(session) if session else LocalEngine(1)


def chain(settings: Settings, days: Sequence[str], today: date, session: SparkSession | None = None) -> Lake:
    """The lake of the settings with these days of the raw tables and of what is made of them, by Spark if there is a
    session, else by this machine's engine."""
    lake, store = references(settings, today), open_source(settings)
    for contract in (FLIGHTS, STATE_VECTORS):
        sync_days(contract, days, store, lake, settings, today, lambda text: None, engine_of(session).ingest)
    core(lake, days, session)
    return lake


def core(
    lake: Lake,
    days: Sequence[str],
    session: SparkSession | None = None,
    enrichments: Sequence[Enrichment] = (FLIGHT_ENRICHMENT, STATE_ENRICHMENT),
) -> None:
    """Make the core tables of these days, as their assets do."""
    engine, snapshot = engine_of(session), snapshot_of(lake, AIRCRAFT_DATABASE)
    flights = work_on_flights(lake, days)
    publish_flights(lake, flights, engine.reconcile(lake, flights))
    for what in enrichments:
        made = engine.transform(what, lake, work_on_enrichment(lake, what, days), snapshot)
        done = ParquetTables(lake).write_days(what.result, made)[0] if isinstance(made, DayRows) else made
        done.require_all(what.result.name)


def assert_same_rows(one: Path, other: Path, table: str) -> int:
    """That two lakes in folders have the same rows of a core table, to the last digit; how many."""
    left, right = (f"(FROM read_parquet('{folder.as_posix()}/core/{table}/*/*.parquet'))" for folder in (one, other))
    with duckdb.connect() as connection:
        for a, b in ((left, right), (right, left)):
            assert connection.execute(f"SELECT count(*) FROM (FROM {a} EXCEPT ALL FROM {b})").fetchone() == (0,), table
        counted = connection.execute(f"SELECT count(*) FROM {left}").fetchone()
    assert counted and counted[0] > 0
    return int(counted[0])
