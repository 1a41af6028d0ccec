"""How the files of a run are cut into chunks, and chunks shared among tasks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opensky_assets.engines.chunks import chunks_of_days, shares_of
from opensky_assets.engines.on_duckdb import Chunk
from opensky_assets.engines.spark.transform import rows_of_share
from opensky_assets.transforms.inputs import Work

counts = st.lists(st.integers(1, 50), max_size=30)


@given(counts, st.integers(1, 100))
def test_each_chunk_is_in_one_share_in_its_order(rows: list[int], most: int) -> None:
    chunks = [Chunk([f"{number}.parquet"], count) for number, count in enumerate(rows)]
    shares = list(shares_of(chunks, most))
    assert [chunk for share in shares for chunk in share] == chunks
    assert all(len(share) == 1 or sum(chunk.rows for chunk in share) <= most for share in shares)


@given(counts, st.integers(1, 100))
def test_each_day_is_in_one_chunk(rows: list[int], most: int) -> None:
    files = {f"2020-01-{day:02d}": [(f"{day}.parquet", count)] for day, count in enumerate(rows, 1)}
    chunks = list(chunks_of_days(sorted(files), files, most))
    assert [day for chunk in chunks for day in chunk] == sorted(files)
    assert all(len(chunk) == 1 or sum(files[day][0][1] for day in chunk) <= most for chunk in chunks)


def work(*rows: int) -> Work:
    return Work([], [], {}, {f"2020-01-{day:02d}": [("x", count)] for day, count in enumerate(rows, 1)})


def test_every_core_gets_a_share_and_none_a_large_one() -> None:
    assert rows_of_share(work(300, 100), cores=4) == 100
    assert rows_of_share(work(2_000_000, 2_000_000), cores=2) == 1_000_000
    assert rows_of_share(work(), cores=2) == 1
