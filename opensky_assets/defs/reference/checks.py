"""Checks of the reference tables."""

import dagster as dg
import polars as pl

from opensky_assets.checks.raw import counting_law, nothing_held_back
from opensky_assets.resources.failures import tried_again


@dg.asset_check(asset="aircraft_database", description="Each transponder address occurs once")
def unique_icao24(context: dg.AssetCheckExecutionContext, aircraft_database: pl.LazyFrame) -> dg.AssetCheckResult:
    with tried_again(context.retry_number):
        rows, distinct = aircraft_database.select(pl.len(), pl.col("icao24").n_unique()).collect().row(0)
    return dg.AssetCheckResult(passed=rows == distinct, metadata={"rows": rows, "distinct": distinct})


aircraft_counting_law = counting_law("aircraft_database", "aircraft_database")
aircraft_nothing_held_back = nothing_held_back("aircraft_database", "aircraft_database")
