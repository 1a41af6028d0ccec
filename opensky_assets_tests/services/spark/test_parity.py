"""Both engines give the same enriched rows, types, nulls and times, from whatever is in the raw tables."""

from __future__ import annotations

import tempfile
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from opensky_assets.engines.local import LocalEngine
from opensky_assets.engines.spark.engine import SparkEngine
from opensky_assets.ingest.airports import airports_table
from opensky_assets.lake import Lake
from opensky_assets.schemas import AIRCRAFT_DATABASE, AIRPORTS, Contract
from opensky_assets.transforms.enrich import FLIGHT_ENRICHMENT, STATE_ENRICHMENT, Enrichment
from opensky_assets.transforms.inputs import Work
from opensky_assets_tests.lakes import LocalLake, write_days

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

DAYS = ["2019-03-31", "2019-10-27"]
"""Clocks go forward and back in Europe."""

AIRPORT_ROWS = {row["icao"]: row for row in airports_table().to_pylist()}
SOME_AIRPORTS = [
    AIRPORT_ROWS[code] for code in ("LSZH", "EGLL", "YSSY", "YMML", "VNKT", "KJFK", "NZCI", "SAWH", "86MI")
]

addresses = st.sampled_from(["4b1801", "000123", "86e844", "abcdef", "407a3f"])
texts = st.one_of(
    st.none(), st.sampled_from(["SWR1", "SWR1AB", "swr1", "AB1", "ABCD", "ÄÖÜ1", "A\nB", "", "日本1234", "x" * 40])
)
codes = st.one_of(st.none(), st.sampled_from([*(row["icao"] for row in SOME_AIRPORTS), "XXXX", ""]))
numbers = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=True), st.integers(-180, 180).map(float))


def moments(day: str) -> st.SearchStrategy[datetime]:
    start = datetime.fromisoformat(f"{day}T00:00:00+00:00")
    return st.integers(-86_400_000_000, 86_399_999_999).map(lambda us: start + timedelta(microseconds=us))


def values(field: pa.Field, day: str) -> st.SearchStrategy:
    made = {
        pa.string(): texts,
        pa.float64(): numbers,
        pa.int8(): st.one_of(st.none(), st.integers(0, 20)),
        pa.bool_(): st.one_of(st.none(), st.booleans()),
        pa.date32(): st.one_of(st.none(), st.dates(date(1903, 12, 17), date(2030, 1, 1))),
    }.get(field.type)
    if field.name == "origin_kind":
        return st.sampled_from(["list", "api"])
    if pa.types.is_list(field.type):
        return st.lists(st.text("ab/", max_size=3), max_size=3)
    if field.name == "icao24":
        return addresses
    if field.name in ("origin", "destination"):
        return codes
    found = moments(day) if made is None else made
    return found if made is not None or not field.nullable else st.one_of(st.none(), found)


def rows(contract: Contract, day: str, most: int) -> st.SearchStrategy[list[dict]]:
    row = {field.name: values(field, day) for field in contract.schema}
    if contract is AIRCRAFT_DATABASE:
        row["source_table"] = st.just("metadata/x.csv")
    made = st.lists(st.fixed_dictionaries(row), min_size=0, max_size=most)
    if contract is AIRCRAFT_DATABASE:
        made = st.lists(st.fixed_dictionaries(row), max_size=4, unique_by=lambda found: found["icao24"])
    return made


def compare(session: SparkSession, what: Enrichment, raw: dict[str, list[dict]], aircraft: list[dict]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = LocalLake.at(Path(folder))
        files = {}
        for day, found in raw.items():
            relative = f"{what.raw.path}/day={day}/object.parquet"
            path = lake.path(relative)
            path.parent.mkdir(parents=True)
            pq.write_table(pa.Table.from_pylist(found, schema=what.raw.schema), path)
            files[day] = [(relative, len(found))]
        tables = {AIRCRAFT_DATABASE: aircraft, AIRPORTS: SOME_AIRPORTS}
        for reference in what.references:
            path = lake.path(reference.path)
            path.parent.mkdir(exist_ok=True)
            pq.write_table(pa.Table.from_pylist(tables[reference], schema=reference.schema), path)
        every = Work(DAYS, [], {day: {} for day in DAYS}, files)
        counts, _ = write_days(lake, what.result, LocalEngine(1).transform(what, lake, every, "s1").reader, DAYS)
        local = read(lake, what.result)
        for day in DAYS:  # so that nothing of the local engine's days is kept
            lake.files.delete(f"_manifest/{what.result.path}/{day}.json")
        work = Work(DAYS, [], {day: {} for day in DAYS}, {day: of_day for day, of_day in files.items() if of_day[0][1]})
        done = SparkEngine(session).transform(what, lake, work, "s1")
        spark = read(lake, what.result)
        assert {day: record.rows for day, record in done.records.items() if record.rows} == counts
        assert counts == {day: len(found) for day, found in raw.items() if found}
    assert spark.keys() == local.keys()
    for day, table in local.items():
        assert spark[day].schema.equals(table.schema)
        assert ordered(table) == ordered(spark[day])


def read(lake: Lake, contract: Contract) -> dict[str, pa.Table]:
    days = lake.day_files(contract.path, DAYS)
    return {
        day: pa.concat_tables(lake.parquet(p).read().replace_schema_metadata() for p in ps) for day, ps in days.items()
    }


def ordered(table: pa.Table) -> list[dict]:
    return sorted(table.to_pylist(), key=repr)


@pytest.mark.parametrize("what", [FLIGHT_ENRICHMENT, STATE_ENRICHMENT], ids=["flights", "states"])
def test_random_tables(what: Enrichment, session: SparkSession) -> None:
    # An example takes Spark two seconds: a failing one is shown as it is, not made smaller.
    @settings(max_examples=6, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(st.tuples(*(rows(what.raw, day, 25) for day in DAYS)), rows(AIRCRAFT_DATABASE, DAYS[0], 4))
    def holds(raw: tuple[list[dict], ...], aircraft: list[dict]) -> None:
        compare(session, what, dict(zip(DAYS, raw, strict=True)), aircraft)

    holds()
