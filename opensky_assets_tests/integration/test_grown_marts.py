"""A mart reads a column that its table has gained since: days that an older package wrote have no value there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opensky_assets.resources.dbt import DbtResource
from opensky_assets.schemas import ENRICHED_FLIGHTS
from opensky_assets.schemas.tables import marts, use_project
from opensky_assets.transforms.dbt_sources import make_whole_lake
from opensky_assets.transforms.marts import build_marts
from opensky_assets.transforms.rows import daily_schema
from opensky_assets_tests.dbt_models import copy_project
from opensky_assets_tests.integration.test_marts_order import DAYS, HOUR, flight
from opensky_assets_tests.lakes import LocalLake, write_days

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

OLDER, NEWER = DAYS[1], DAYS[3]
OLD_FLIGHTS = replace(
    ENRICHED_FLIGHTS, version="2", columns=tuple(column for column in ENRICHED_FLIGHTS.columns if not column.since)
)
FILES = {
    "models/marts/own/operators_by_day.sql": """
        select day, operator_name, count(*) as flights
        from {{ source('lake', 'enriched_flights') }}
        group by all
    """,
    "models/marts/own/operators_by_day.yml": """
version: 2
models:
  - name: operators_by_day
    description: Flights by operator.
    config: {meta: {key: [operator_name], day: lastseen}}
    columns:
      - {name: day, data_type: date, description: UTC day, constraints: [{type: not_null}]}
      - {name: operator_name, data_type: varchar, description: Operator}
      - {name: flights, data_type: bigint, description: Flights}
""",
}


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[LocalLake]:
    """A day as an older package left it, then one of today's, and the marts with one that reads what is new."""
    use_project(copy_project(tmp_path / "project", FILES))
    lake = LocalLake.at(tmp_path / "lake")
    for contract, day in ((OLD_FLIGHTS, OLDER), (ENRICHED_FLIGHTS, NEWER)):
        row = {**flight(day, 12 * HOUR, HOUR, "EDDF", "LSZH"), "operator_name": "Swiss"}
        write_days(lake, contract, pa.Table.from_pylist([row], schema=daily_schema(contract)).to_reader(), [day])
    yield lake
    use_project(None)


def read(lake: LocalLake, path: str, day: str) -> pa.Table:
    (file,) = lake.day_files(path, [day])[day]
    return pq.read_table(lake.path(file), partitioning=None)


def test_older_days_have_no_value(lake: LocalLake) -> None:
    assert "operator_name" not in read(lake, ENRICHED_FLIGHTS.path, OLDER).column_names
    assert "operator_name" in read(lake, ENRICHED_FLIGHTS.path, NEWER).column_names

    # No file of the run has the column, then one of two; a day is the same bytes either way.
    alone = build_marts(lake, [OLDER], marts(), DbtResource().build)
    assert alone.problems == {} and all(test.passed for test in alone.tests)
    published = {file: lake.path(file).read_bytes() for mart in marts() for file in files_of(lake, mart.contract.path)}
    assert read(lake, "marts/operators_by_day", OLDER).to_pylist() == [{"operator_name": None, "flights": 1}]

    both = build_marts(lake, [OLDER, NEWER], marts(), DbtResource().build)
    assert both.problems == {} and all(test.passed for test in both.tests)
    assert read(lake, "marts/operators_by_day", NEWER).to_pylist() == [{"operator_name": "Swiss", "flights": 1}]
    assert both.rows["operators_by_day"] == {OLDER: 1, NEWER: 1}
    assert published == {file: lake.path(file).read_bytes() for file in published}


def files_of(lake: LocalLake, path: str) -> list[str]:
    return [file for files in lake.day_files(path, [OLDER]).values() for file in files]


def test_dbt_by_hand_reads_them_too(lake: LocalLake) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        make_whole_lake(lake.attach(connection), lake)
        named = "SELECT day, operator_name FROM lake.enriched_flights ORDER BY day"
        assert connection.sql(named).fetchall() == [
            (date.fromisoformat(OLDER), None),
            (date.fromisoformat(NEWER), "Swiss"),
        ]
        lake.path(lake.day_files(ENRICHED_FLIGHTS.path, [NEWER])[NEWER][0]).unlink()
        make_whole_lake(connection, lake)
        assert connection.sql(named).fetchall() == [(date.fromisoformat(OLDER), None)]
