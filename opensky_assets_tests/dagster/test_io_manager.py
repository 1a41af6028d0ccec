"""The lake as an IO manager: what is written by day comes back as whatever the annotation asks for."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import dagster as dg
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensky_assets.io_managers.frames import convert
from opensky_assets.lake.tables import MaterializedButGone, NotMaterialized, ParquetTables
from opensky_assets.schemas.tables import mart_named
from opensky_assets_tests.buckets import let_others_in
from opensky_assets_tests.dagster.conftest import Platform
from opensky_assets_tests.lakes import LocalLake, write_days

ROUTES = mart_named("routes").contract
DAYS = ["2020-01-01", "2020-01-02", "2020-01-03"]


def nothing_known(days):  # type: ignore[no-untyped-def]
    return {}


def routes(rows: list[tuple[str, str, str, int]]) -> pa.Table:
    return pa.table(
        {
            "day": pa.array([date.fromisoformat(row[0]) for row in rows], pa.date32()),
            "origin": [row[1] for row in rows],
            "destination": [row[2] for row in rows],
            "flights": pa.array([row[3] for row in rows], pa.int64()),
            "aircraft": pa.array([1] * len(rows), pa.int64()),
            "distance_km": pa.array([None] * len(rows), pa.float64()),
            "mean_duration_s": pa.array([60.5] * len(rows), pa.float64()),
        }
    )


TWO_DAYS = routes([("2020-01-01", "LSZH", "EDDF", 3), ("2020-01-01", "EDDF", "LSZH", 2), ("2020-01-03", "A", "B", 1)])


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    made = LocalLake.at(tmp_path / "lake")
    write_days(made, ROUTES, TWO_DAYS.to_reader(), DAYS)
    return made


def test_each_day_is_one_file_without_the_day_in_it(lake: LocalLake) -> None:
    assert lake.days(ROUTES.path) == ["2020-01-01", "2020-01-03"]
    table = pl.read_parquet(lake.path("marts/routes/day=2020-01-01/routes.parquet"), hive_partitioning=False)
    assert table.columns == ROUTES.schema.names
    assert table.height == 2


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        (pa.Table, lambda t: t.num_rows),
        (pa.RecordBatchReader, lambda r: r.read_all().num_rows),
        (pl.LazyFrame, lambda f: f.collect().height),
        (pl.DataFrame, lambda f: f.height),
        (pd.DataFrame, len),
        (duckdb.DuckDBPyRelation, lambda r: len(r.fetchall())),
    ],
)
def test_loads_by_annotation(lake: LocalLake, wanted: type, rows) -> None:  # type: ignore[no-untyped-def]
    loaded = convert(ParquetTables(lake).open_dataset(ROUTES, None, nothing_known), wanted, lake)
    assert isinstance(loaded, wanted)
    assert rows(loaded) == 3


def test_an_annotation_that_is_not_known_says_which_are(lake: LocalLake) -> None:
    with pytest.raises(TypeError, match=r"polars|pl\.LazyFrame"):
        convert(ParquetTables(lake).open_dataset(ROUTES, None, nothing_known), dict, lake)


def test_a_missing_day_is_named(lake: LocalLake) -> None:
    with pytest.raises(NotMaterialized, match="not materialized: 2020-01-02"):
        ParquetTables(lake).open_dataset(ROUTES, DAYS, nothing_known)


def test_a_day_that_was_there_and_one_without_rows_are_told_apart(lake: LocalLake) -> None:
    with pytest.raises(MaterializedButGone, match=r"materialized, but gone from .*: 2020-01-02"):
        ParquetTables(lake).open_dataset(ROUTES, DAYS, lambda days: dict.fromkeys(days, 5))
    assert ParquetTables(lake).open_dataset(ROUTES, DAYS, lambda days: dict.fromkeys(days, 0)).count_rows() == 3
    assert (
        ParquetTables(lake).open_dataset(ROUTES, ["2020-01-02"], lambda days: {"2020-01-02": 0}).to_table().num_rows
        == 0
    )


AS_NOBODY = """
import os, sys
from pathlib import Path
from opensky_assets.lake import Lake, LakeError
from opensky_assets.lake.tables import ParquetTables
from opensky_assets.schemas.tables import mart_named
if os.getuid() == 0:
    os.setuid(65534)
try:
    routes = mart_named("routes").contract
    ParquetTables(Lake.at(Path(sys.argv[1]))).open_dataset(routes, ["2020-01-01"], lambda days: {"2020-01-01": 5})
except LakeError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="rights are those of POSIX")
def test_a_lake_that_may_not_be_read_says_so(lake: LocalLake) -> None:
    let_others_in(lake.root)
    folder = lake.path("marts/routes/day=2020-01-01")
    folder.chmod(0)
    command = [sys.executable, "-c", AS_NOBODY, str(lake.root)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    folder.chmod(0o755)
    assert "no permission to read" in told and str(folder) in told and "OPENSKY_LAKE" in told


def test_a_day_that_has_no_rows_any_more_loses_its_file_and_others_stay(lake: LocalLake) -> None:
    untouched = lake.path("marts/routes/day=2020-01-03/routes.parquet").read_bytes()
    write_days(lake, ROUTES, TWO_DAYS.slice(0, 0).to_reader(), ["2020-01-01"])
    assert lake.days(ROUTES.path) == ["2020-01-03"]
    assert lake.path("marts/routes/day=2020-01-03/routes.parquet").read_bytes() == untouched


def test_what_spark_wrote_of_a_day_goes_with_it(lake: LocalLake) -> None:
    day = lake.path("marts/routes/day=2020-01-01")
    (day / "routes.parquet").rename(day / "routes-00003.parquet")
    write_days(lake, ROUTES, TWO_DAYS.slice(0, 2).to_reader(), ["2020-01-01"])
    assert [path.name for path in day.iterdir()] == ["routes.parquet"]


def test_a_writer_that_fails_half_way_publishes_nothing(lake: LocalLake) -> None:
    before = lake.path("marts/routes/day=2020-01-01/routes.parquet").read_bytes()

    def broken():  # type: ignore[no-untyped-def]
        yield routes([("2020-01-01", "X", "Y", 9)]).to_batches()[0]
        raise RuntimeError("the engine died")

    with pytest.raises(RuntimeError):
        write_days(lake, ROUTES, pa.RecordBatchReader.from_batches(TWO_DAYS.schema, broken()), DAYS)
    assert lake.path("marts/routes/day=2020-01-01/routes.parquet").read_bytes() == before
    assert not lake.path("_staging").exists()


codes = st.text("ABCD", min_size=1, max_size=4)


@given(st.lists(st.tuples(st.sampled_from(DAYS), codes, codes, st.integers(0, 2**40)), max_size=30))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str, int]]) -> None:
    lake = LocalLake.at(tmp_path_factory.mktemp("lake"))
    table = routes(sorted(rows, key=lambda row: row[0]))
    counts, _ = write_days(lake, ROUTES, table.to_reader(max_chunksize=4), DAYS)
    assert sum(counts.values()) == len(rows)
    if rows:
        loaded = convert(ParquetTables(lake).open_dataset(ROUTES, None, nothing_known), pa.Table, lake)
        assert loaded.select(table.column_names).to_pylist() == table.to_pylist()


def test_a_table_is_loaded_outside_a_run_too(platform: Platform) -> None:
    write_days(platform.lake, ROUTES, TWO_DAYS.to_reader(), DAYS)
    found = platform.definitions.load_asset_value(
        dg.AssetKey("routes"), python_type=pl.DataFrame, instance=platform.instance, partition_key="2020-01-01"
    )
    assert found.height == 2
