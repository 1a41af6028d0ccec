"""The sort within a row group gives what Arrow's own, slower sort gives."""

import random

import pyarrow as pa
import pytest

from opensky_assets.lake.parquet import sort_rows


def sample(rows: int) -> pa.Table:
    rng = random.Random(rows)
    texts = [None, "", "é", "a", "zz", *(f"{n:05x}" for n in range(0, 1 << 20, 7))]
    return pa.table(
        {
            "text": pa.array([rng.choice(texts) for _ in range(rows)], pa.string()),
            "whole": pa.array([rng.choice([None, 1, 2, -5, 1 << 60]) for _ in range(rows)], pa.int64()),
            "real": pa.array([rng.choice([None, float("nan"), float("inf"), 1.5]) for _ in range(rows)], pa.float64()),
            "at": pa.array(range(rows), pa.int64()),
        }
    )


@pytest.mark.parametrize("rows", [0, 1, 2, 500, 90_000])
@pytest.mark.parametrize("by", [["text"], ["text", "whole"], ["whole", "text"], ["real", "text"], ["at"]])
def test_rows_are_in_arrows_order_and_equal_keys_stay_as_they_were(rows: int, by: list[str]) -> None:
    table = sample(rows)
    expected = table.sort_by([(name, "ascending") for name in dict.fromkeys([*by, "at"])])
    assert sort_rows(table, by)["at"].to_pylist() == expected["at"].to_pylist()
