"""Assets as a user would write them beside the package's: each takes a table by annotation and returns a frame."""

import dagster as dg
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from opensky_assets.partitions import DAILY, SINGLE_RUN
from opensky_assets.schemas.contract import Column, Contract

BY_TYPECODE = Contract(
    name="by_typecode",
    path="core/by_typecode",
    version="1",
    description="Flights of a day by type of aircraft",
    columns=(Column("typecode", pa.string(), "ICAO type"), Column("flights", pa.int64(), "How many", "flights")),
    key=("typecode",),
)


def daily(**options):  # type: ignore[no-untyped-def]
    return dg.asset(partitions_def=DAILY, backfill_policy=SINGLE_RUN, group_name="own", **options)


@daily(code_version="1")
def by_origin(enriched_flights: pl.LazyFrame) -> pl.LazyFrame:
    return enriched_flights.group_by("day", "origin").agg(flights=pl.len()).sort("day", "origin")


@daily()
def long_flights(enriched_flights: pa.Table) -> pa.Table:
    return enriched_flights.filter(pc.field("duration_s") > 0)


@daily(metadata={"contract": BY_TYPECODE})
def by_typecode(enriched_flights: pd.DataFrame) -> pd.DataFrame:
    return enriched_flights.groupby(["day", "typecode"], dropna=False).size().reset_index(name="flights")


@daily()
def busiest(by_origin: pl.DataFrame, airports: pl.LazyFrame) -> pl.DataFrame:
    """Of a table of one's own, and a reference table."""
    named = airports.select("icao", "name").collect()
    top = by_origin.sort("flights", descending=True).group_by("day", maintain_order=True).first()
    return top.join(named, left_on="origin", right_on="icao", how="left").with_columns(pl.col("day").cast(pl.String))


@dg.asset(group_name="own")
def countries(airports: pa.Table) -> pl.DataFrame:
    """Without days."""
    return pl.DataFrame(airports).group_by("country").agg(airports=pl.len()).sort("country")


OWN = [by_origin, long_flights, by_typecode, busiest, countries]
