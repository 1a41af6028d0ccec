"""Assets as a user would write them beside the package's: each takes a table by annotation and returns a frame."""

from pathlib import Path

import dagster as dg
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from opensky_assets.definitions import build_definitions
from opensky_assets.lake import Lake
from opensky_assets.partitions import DAILY, SINGLE_RUN
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas.contract import Column, Contract
from opensky_assets_tests.dagster.conftest import Platform
from opensky_assets_tests.flight_lists import flight, write_aircraft, write_list

DAYS = ("2020-01-01", "2020-01-02")

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


def made(bucket: Path, opensky: OpenSkyResource, own: list[dg.AssetsDefinition]) -> Platform:
    definitions = dg.Definitions.merge(build_definitions(opensky), dg.Definitions(assets=own))
    return Platform(bucket, opensky.open_lake(), dg.DagsterInstance.ephemeral(), definitions, opensky)  # type: ignore[arg-type]


def fill(platform: Platform) -> None:
    write_aircraft(platform.bucket)
    write_list(platform.bucket, *DAYS, [flight(day, hour=hour) for day in DAYS for hour in range(2, 22)])
    assert platform.run(["aircraft_database", "airports"]).success
    assert platform.run(["raw_flights", "flights", "enriched_flights"], *DAYS).success


def rows_of(lake: Lake, path: str, day: str) -> list[dict[str, object]]:
    (file,) = lake.day_files(path, [day])[day]
    found: list[dict[str, object]] = lake.parquet(file).read().to_pylist()
    return found


def require_own_tables(platform: Platform) -> None:
    """Materialize all of them, and look at what is in the lake and on record."""
    names = ["by_origin", "long_flights", "by_typecode", "busiest"]
    assert platform.run(names, *DAYS).success and platform.run(["countries"]).success
    lake = platform.lake
    for name in names:
        assert platform.materialized(name) == [*DAYS]
        assert lake.days(f"core/{name}") == lake.recorded_days(f"core/{name}") == [*DAYS]
        facts = platform.metadata(name, DAYS[0])
        assert facts["dagster/partition_row_count"] == len(rows_of(lake, f"core/{name}", DAYS[0]))
        assert str(facts["dagster/uri"]).endswith(f"core/{name}/day={DAYS[0]}")

    origins = rows_of(lake, "core/by_origin", DAYS[1])
    assert sum(int(str(row["flights"])) for row in origins) == 20 and origins[0].keys() == {"origin", "flights"}
    (typecodes,) = lake.day_files("core/by_typecode", [DAYS[0]])[DAYS[0]]
    assert lake.parquet(typecodes).schema_arrow.remove_metadata() == BY_TYPECODE.schema
    assert [row["name"] is not None for row in rows_of(lake, "core/busiest", DAYS[0])] == [True]
    assert lake.parquet("core/countries.parquet").read().num_rows > 100
