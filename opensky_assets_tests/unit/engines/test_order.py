"""Enriched states stay in the order of the raw files, also where the aircraft table is much larger than these."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opensky_assets.engines.chunks import chunks_of
from opensky_assets.engines.local import LocalEngine
from opensky_assets.engines.spark.stage import Share, stage_share
from opensky_assets.engines.to_sql import compile_enrichment
from opensky_assets.schemas import AIRCRAFT_DATABASE, ENRICHED_STATES, STATE_VECTORS, Contract
from opensky_assets.transforms.enrich import STATE_ENRICHMENT
from opensky_assets.transforms.inputs import Work
from opensky_assets_tests.lakes import LocalLake, write_days
from opensky_assets_tests.state_files import epoch

pytestmark = pytest.mark.slow

DAY = "2019-05-06"
SNAPSHOT = "2019-05"
AIRCRAFT = 617_000
"""As many as OpenSky's table has."""
STATES = (6_000, 6_000, 300_000)
"""In each hour's file: fewer than there are aircraft, and more than one thread reads at a time."""
ROW_GROUP = 50_000
KEY = ["time", "icao24", "lat"]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> LocalLake:
    made = LocalLake.at(tmp_path_factory.mktemp("lake"))
    addresses = [f"{number:06x}" for number in range(AIRCRAFT)]
    known = {"icao24": addresses, "registration": [f"X-{address}" for address in addresses]}
    _write(made, AIRCRAFT_DATABASE, AIRCRAFT_DATABASE.path, known | {"source_table": ["table"] * AIRCRAFT})
    for hour, states in enumerate(STATES):
        rng = np.random.default_rng(hour)
        at = np.sort(epoch(DAY, hour) + rng.integers(0, 360, states) * 10)
        heard = [f"{number:06x}" for number in rng.integers(0, 2 * AIRCRAFT, states)]
        times = pa.array(at * 1_000_000).cast(pa.timestamp("us", tz="UTC"))
        _write(made, STATE_VECTORS, path_of(hour), {"time": times, "icao24": heard, "lat": rng.random(states)})
    return made


@pytest.fixture(scope="module")
def work() -> Work:
    return Work([DAY], [], {DAY: {}}, {DAY: [(path_of(hour), states) for hour, states in enumerate(STATES)]})


def path_of(hour: int) -> str:
    return f"{STATE_VECTORS.path}/day={DAY}/{hour:02d}.parquet"


def _write(lake: LocalLake, contract: Contract, path: str, columns: Mapping[str, object]) -> None:
    table = pa.table(dict(columns))
    found = [
        table[field.name].cast(field.type) if field.name in columns else pa.nulls(len(table), field.type)
        for field in contract.schema
    ]
    lake.path(path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(found, contract.schema), lake.path(path), row_group_size=ROW_GROUP)


def raw_rows(lake: LocalLake) -> list[dict[str, object]]:
    return [row for hour in range(len(STATES)) for row in rows_of(lake.path(path_of(hour)).read_bytes()).to_pylist()]


def rows_of(data: bytes) -> pa.Table:
    return pq.ParquetFile(pa.BufferReader(data)).read(KEY)


def local_bytes(lake: LocalLake, work: Work, folder: Path, threads: int | None) -> bytes:
    """The file that the local engine writes."""
    other = LocalLake.at(folder)
    rows = LocalEngine(threads).transform(STATE_ENRICHMENT, lake, work, SNAPSHOT)
    write_days(other, ENRICHED_STATES, rows.reader, [DAY])
    (path,) = other.day_files(ENRICHED_STATES.path, [DAY])[DAY]
    return other.path(path).read_bytes()


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_the_local_engine_keeps_the_order(lake: LocalLake, work: Work, tmp_path: Path, threads: int) -> None:
    once = local_bytes(lake, work, tmp_path / "once", threads)
    assert rows_of(once).to_pylist() == raw_rows(lake)
    assert local_bytes(lake, work, tmp_path / "again", 2) == once


def test_a_task_of_spark_writes_what_the_local_engine_writes(lake: LocalLake, work: Work, tmp_path: Path) -> None:
    chunks = list(chunks_of(STATE_ENRICHMENT, lake, work.files))
    query = compile_enrichment(STATE_ENRICHMENT, SNAPSHOT)
    with lake.run() as run:
        (one,) = stage_share(query, ENRICHED_STATES, lake, run, Share(0, chunks))
        staged = Path(one.sent.handle).read_bytes()
    assert staged == local_bytes(lake, work, tmp_path / "local", 2)
    assert rows_of(staged).to_pylist() == raw_rows(lake)


def test_known_aircraft_are_matched_and_others_stay(lake: LocalLake, work: Work, tmp_path: Path) -> None:
    made = pq.ParquetFile(pa.BufferReader(local_bytes(lake, work, tmp_path / "lake", 2)))
    for row in made.read(["icao24", "aircraft_matched", "registration"]).to_pylist():
        known = int(row["icao24"], 16) < AIRCRAFT
        assert row["aircraft_matched"] == known
        assert row["registration"] == (f"X-{row['icao24']}" if known else None)
