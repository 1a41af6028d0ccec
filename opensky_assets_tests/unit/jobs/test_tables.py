from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from opensky_assets.jobs.tables import UnknownTable, column_lines, markdown, table_lines
from opensky_assets.schemas.tables import tables
from opensky_assets_tests.lakes import LocalLake

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_of_the_docs_is_the_one_the_contracts_give() -> None:
    written = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    assert written == markdown(), "docs/tables.md is behind: opensky-assets tables --markdown > docs/tables.md"


def test_the_command_prints_that_page() -> None:
    command = [sys.executable, "-m", "opensky_assets.cli", "tables", "--markdown"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode() == markdown()


def test_every_column_is_on_the_page_with_its_unit() -> None:
    lines = markdown().splitlines()
    for table in tables():
        for column in table.contract.columns:
            row = next(
                line for line in lines if line.startswith(f"| `{column.name}` |") and column.description[:20] in line
            )
            assert column.unit is None or f"| {column.unit} |" in row


def test_the_terminal_shows_what_the_lake_has(tmp_path: Path) -> None:
    for day in ("2022-06-25", "2022-06-26", "__HIVE_DEFAULT_PARTITION__"):
        path = tmp_path / "raw" / "flights" / f"day={day}" / "a.parquet"
        path.parent.mkdir(parents=True)
        path.touch()
    lines = list(table_lines(LocalLake.at(tmp_path)))
    (flights,) = [line for line in lines if line.startswith("raw_flights ")]
    assert "2 days, 2022-06-25 to 2022-06-26" in flights
    assert all(any(line.startswith(f"{table.name} ") for line in lines) for table in tables())


def test_one_table_has_its_columns_and_an_unknown_one_the_names_there_are(tmp_path: Path) -> None:
    told = "\n".join(column_lines(LocalLake.at(tmp_path), "raw_state_vectors"))
    assert "velocity" in told and "m/s" in told and "UTC day" in told
    with pytest.raises(UnknownTable, match="routes"):
        list(column_lines(LocalLake.at(tmp_path), "route"))
