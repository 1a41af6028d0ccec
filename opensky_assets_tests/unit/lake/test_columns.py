"""A contract that grew: days of its older version are read, their new columns as null, and no day is opened in vain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opensky_assets.lake.columns import RECORD, read_whole_tables
from opensky_assets.lake.connect import connect, connect_days
from opensky_assets.lake.warehouse import rebuild_warehouse
from opensky_assets.schemas import ENRICHED_FLIGHTS, Contract
from opensky_assets_tests.lakes import LocalLake

DAYS = ("2022-06-25", "2022-06-26", "2022-06-27")
OLD = tuple(name for name in ENRICHED_FLIGHTS.schema.names if name != "operator_name")


def write_day(lake: LocalLake, day: str, contract: Contract, version: str) -> None:
    """A day with one flight, as a run with a contract of that version leaves it."""
    row: dict[str, object] = {"operator_name": f"of {day}", "callsign": day}
    columns = {f.name: pa.array([row.get(f.name)], f.type) for f in contract.schema}
    kept = columns if version == contract.version else {name: columns[name] for name in OLD}
    path = lake.path(f"{contract.path}/day={day}/{contract.name}.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(kept), path)
    record = lake.path(f"_manifest/{contract.path}/{day}.json")
    record.parent.mkdir(parents=True, exist_ok=True)
    file = {"path": str(path.relative_to(lake.root)), "rows": 1, "bytes": path.stat().st_size}
    inputs = {"contract": version}
    record.write_text(json.dumps({"format_version": 2, "day": day, "inputs": inputs, "files": [file], "version": "v"}))


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake.at(tmp_path / "lake")


@contextmanager
def every_way(lake: LocalLake) -> Iterator[list[duckdb.DuckDBPyConnection]]:
    """`connect`, a connection of days, and the warehouse's file."""
    warehouse = lake.root.with_name("warehouse.duckdb")
    rebuild_warehouse(lake, warehouse)
    with connect(lake) as one, connect_days(lake, DAYS) as two, duckdb.connect(str(warehouse), read_only=True) as three:
        yield [one, two, three]


@pytest.mark.parametrize(
    ("new", "names"),
    [
        ((), [None, None, None]),
        (DAYS[:1], ["of 2022-06-25", None, None]),
        (DAYS[1:2], [None, "of 2022-06-26", None]),
        (DAYS, [f"of {day}" for day in DAYS]),
    ],
    ids=["all old", "the first new", "one between new", "all new"],
)
def test_old_days_are_read(lake: LocalLake, new: tuple[str, ...], names: list[str | None]) -> None:
    for day in DAYS:
        write_day(lake, day, ENRICHED_FLIGHTS, ENRICHED_FLIGHTS.version if day in new else "2")
    with every_way(lake) as connections:
        for connection in connections:
            rows = connection.sql("FROM enriched_flights ORDER BY day")
            assert rows.columns == [*ENRICHED_FLIGHTS.schema.names, "day"]
            assert [name for (name,) in rows.select("operator_name").fetchall()] == names
            old = connection.sql(f"FROM enriched_flights WHERE day = '{DAYS[2]}'").fetchall()
            assert [row[0] for row in old] == [DAYS[2]]
    assert read_whole_tables(lake) == ({ENRICHED_FLIGHTS.path: ENRICHED_FLIGHTS.version} if new == DAYS else {})


def test_once_all_days_are_new_a_query_opens_its_days_alone(lake: LocalLake) -> None:
    for day in DAYS:
        write_day(lake, day, ENRICHED_FLIGHTS, ENRICHED_FLIGHTS.version)
    with every_way(lake):
        pass
    lake.path(f"{ENRICHED_FLIGHTS.path}/day={DAYS[2]}/enriched_flights.parquet").write_bytes(b"not Parquet")
    with connect(lake) as connection:
        rows = connection.sql(f"SELECT operator_name FROM enriched_flights WHERE day = '{DAYS[1]}'").fetchall()
    assert rows == [(f"of {DAYS[1]}",)]


@pytest.mark.parametrize("text", ["{", "[]", '{"tables": 1}', ""])
def test_a_record_that_does_not_read_costs_time_and_nothing_else(lake: LocalLake, text: str) -> None:
    write_day(lake, DAYS[0], ENRICHED_FLIGHTS, "2")
    lake.path(RECORD).write_text(text)
    with connect(lake) as connection:
        assert connection.sql("SELECT operator_name FROM enriched_flights").fetchall() == [(None,)]
