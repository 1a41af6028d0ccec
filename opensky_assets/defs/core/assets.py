"""Core tables: what raw tables become when they are joined."""

import dagster as dg
import pyarrow as pa

from opensky_assets.ingest.reference import snapshot_of
from opensky_assets.io_managers.metadata import lineage, table_metadata
from opensky_assets.partitions import DAILY, SINGLE_RUN, materialized_days
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas import AIRCRAFT_DATABASE, ENRICHED_FLIGHTS, FLIGHTS
from opensky_assets.transforms.enrich import COLUMN_LINEAGE, enriched_batches


@dg.asset(
    group_name="core",
    kinds={"parquet", "duckdb", "ibis"},
    partitions_def=DAILY,
    backfill_policy=SINGLE_RUN,
    deps=["raw_flights", "aircraft_database", "airports"],
    code_version=ENRICHED_FLIGHTS.version,
    description=ENRICHED_FLIGHTS.description,
    metadata={**table_metadata(ENRICHED_FLIGHTS), **lineage(COLUMN_LINEAGE)},
)
def enriched_flights(
    context: dg.AssetExecutionContext, opensky: OpenSkyResource
) -> dg.MaterializeResult[pa.RecordBatchReader]:
    lake = opensky.open_lake()
    files = lake.committed(FLIGHTS.name, context.partition_keys)
    snapshot = snapshot_of(lake, AIRCRAFT_DATABASE)
    batches = enriched_batches(lake, files, snapshot, opensky.settings().workers)
    return materialized_days(context, {day: {"aircraft_snapshot": snapshot} for day in files}, value=batches)
