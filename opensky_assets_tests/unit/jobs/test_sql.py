"""SQL over a small lake: views, day pruning, formats, and no lock on anything."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import opensky_assets
from opensky_assets.cli import main
from opensky_assets.jobs.sql import SqlError, run_sql
from opensky_assets.lake.connect import connect, connect_days
from opensky_assets.lake.warehouse import rebuild_warehouse
from opensky_assets.schemas.tables import mart_named, tables
from opensky_assets_tests.lakes import LocalLake

DAYS = ("2022-06-25", "2022-06-26", "2022-06-27")
PAIRS = [("EDDF", "LSZH", 3), ("LSZH", "EDDF", 2), ("LSZH", "LSZH", 1)]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    for day in DAYS:
        path = tmp_path / "lake" / "marts" / "routes" / f"day={day}" / "routes.parquet"
        path.parent.mkdir(parents=True)
        rows = [
            {
                "origin": a,
                "destination": b,
                "flights": n,
                "aircraft": 1,
                "distance_km": 285.0,
                "mean_duration_s": 3000.0 * n,
            }
            for a, b, n in PAIRS
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema=mart_named("routes").contract.schema), path)
    return tmp_path / "lake"


def test_a_connection_has_the_tables_that_there_are(lake: Path) -> None:
    with opensky_assets.connect(lake) as connection:
        assert connection.execute("SHOW TABLES").fetchall() == [("routes",)]
        assert connection.execute("SELECT sum(flights), min(day)::VARCHAR FROM routes").fetchall() == [(18, DAYS[0])]


def test_a_query_of_a_day_opens_the_files_of_that_day(lake: Path) -> None:
    (lake / "marts/routes" / f"day={DAYS[2]}" / "routes.parquet").write_bytes(b"not Parquet")
    with connect(lake) as connection:
        for query in (
            f"FROM routes WHERE day = '{DAYS[1]}'",
            f"FROM routes WHERE day < '{DAYS[2]}'::DATE",
            f"FROM routes_between('{DAYS[0]}', '{DAYS[1]}')",
        ):
            assert connection.execute(query).fetchall()
        with pytest.raises(duckdb.Error):
            connection.execute("FROM routes").fetchall()


def test_ranges_add_up(lake: Path) -> None:
    with connect(lake) as connection:
        rows = connection.execute(f"FROM routes_between('{DAYS[0]}', '{DAYS[1]}')").fetchall()
        assert rows[0] == ("EDDF", "LSZH", 6, 285.0, 9000.0)
        matrix = connection.execute(
            "SELECT origin, destination, flights, airports, pairs_served, connectivity, connectivity_all_cells "
            f"FROM od_matrix_between('{DAYS[0]}', '{DAYS[2]}', busiest := 2)"
        ).fetchall()
    assert matrix == [
        ("LSZH", "LSZH", 3, 2, 2, 1.0, 0.75),
        ("LSZH", "EDDF", 6, 2, 2, 1.0, 0.75),
        ("EDDF", "LSZH", 9, 2, 2, 1.0, 0.75),
        ("EDDF", "EDDF", 0, 2, 2, 1.0, 0.75),
    ]


def test_a_connection_of_days_has_every_table_and_these_days_only(lake: Path) -> None:
    with connect_days(LocalLake.at(lake), [DAYS[1]]) as connection:
        assert connection.execute("SELECT sum(flights), count(DISTINCT day) FROM routes").fetchall() == [(6, 1)]
        for table in tables():
            described = connection.execute(f"SELECT * FROM {table.name} LIMIT 0").description
            assert {c.name for c in table.contract.columns} <= {column[0] for column in described or ()}


def test_neither_waits_for_the_other(lake: Path, tmp_path: Path) -> None:
    """While one holds the warehouse to write, and while it is made anew, SQL is answered."""
    warehouse = tmp_path / "warehouse.duckdb"
    rebuild_warehouse(LocalLake.at(lake), warehouse)
    with duckdb.connect(str(warehouse)), connect(lake) as reader:
        ask = [sys.executable, "-m", "opensky_assets.cli", "sql", "SELECT count(*) AS n FROM routes", "--format", "csv"]
        environment = {"OPENSKY_LAKE": str(lake), "OPENSKY_WAREHOUSE": str(warehouse), "PATH": ""}
        answer = subprocess.run(ask, env=environment, capture_output=True, text=True, check=True)
        assert answer.stdout.split() == ["n", "9"]
        assert reader.execute("SELECT count(*) FROM routes").fetchall() == [(9,)]
    with connect(lake):
        rebuild_warehouse(LocalLake.at(lake), warehouse)


@pytest.mark.parametrize("style", ["csv", "json", "parquet"])
def test_formats_to_a_file_and_by_its_name(lake: Path, tmp_path: Path, style: str) -> None:
    out = tmp_path / f"answer.{style}"
    run_sql("SELECT day, origin, flights FROM routes WHERE flights > 2 ORDER BY day;", str(lake), None, out)
    if style == "csv":
        rows = list(csv.DictReader(io.StringIO(out.read_text())))
    elif style == "json":
        rows = json.loads(out.read_text())
    else:
        rows = pq.read_table(out).to_pylist()
    assert [(str(row["day"]), row["origin"], int(row["flights"])) for row in rows] == [(day, "EDDF", 3) for day in DAYS]
    assert list(tmp_path.glob(".answer*")) == []


def test_formats_to_standard_output(lake: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    run_sql("SELECT 1 AS one", str(lake), "csv", None)
    assert capfdbinary.readouterr().out == b"one\n1\n"
    run_sql("SELECT 1 AS one", str(lake), "json", None)
    assert json.loads(capfdbinary.readouterr().out) == [{"one": 1}]
    run_sql("SELECT 1 AS one", str(lake), "parquet", None)
    assert pq.read_table(pa.BufferReader(capfdbinary.readouterr().out)).to_pylist() == [{"one": 1}]
    run_sql("FROM routes LIMIT 1", str(lake), None, None)
    assert "EDDF" in capfdbinary.readouterr().out.decode()


HOSTILE = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx"]
MIXED = f"""
    SELECT unnest([{", ".join(f"'{text}'" for text in [*HOSTILE, "LSZH", ""])}, NULL]) AS "=name",
           -1 AS number, -0.5 AS half, DATE '2022-06-25' AS day, '=1' AS name, '=2'::BLOB AS raw,
           '=3'::ENUM('=3') AS kind, ['=4'] AS listed, '"a"'::JSON AS json -- a comment at the end
"""


def test_csv_holds_no_formula_for_a_spreadsheet(lake: Path, tmp_path: Path) -> None:
    run_sql(MIXED, str(lake), None, tmp_path / "answer.csv")
    with (tmp_path / "answer.csv").open(newline="") as answer:
        names, *rows = csv.reader(answer)
    assert names == ["'=name", "number", "half", "day", "name", "raw", "kind", "listed", "json"]
    assert [row[0] for row in rows] == [*(f"'{text}" for text in HOSTILE), "LSZH", "", ""]
    assert {tuple(row[1:]) for row in rows} == {("-1", "-0.5", "2022-06-25", "'=1", "'=2", "'=3", "['=4']", '"a"')}
    # A text that is empty is told from one that is missing, as before.
    assert [line.startswith('""') for line in (tmp_path / "answer.csv").read_text().splitlines()[-2:]] == [True, False]

    pivot = "PIVOT (SELECT '=x' AS k, 1 AS v) ON k USING sum(v)"
    run_sql(pivot, str(lake), None, tmp_path / "pivot.csv")
    assert (tmp_path / "pivot.csv").read_text().splitlines()[0] == "'=x"


def test_text_is_exact_on_request_and_in_other_formats(
    lake: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sql(MIXED, str(lake), "csv", tmp_path / "answer.csv", exact=True)
    with (tmp_path / "answer.csv").open(newline="") as answer:
        assert [row["=name"] for row in csv.DictReader(answer)][:7] == HOSTILE
    run_sql(MIXED, str(lake), None, tmp_path / "answer.json")
    assert [row["=name"] for row in json.loads((tmp_path / "answer.json").read_text())][:7] == HOSTILE
    run_sql(MIXED, str(lake), None, tmp_path / "answer.parquet")
    assert pq.read_table(tmp_path / "answer.parquet")["=name"].to_pylist()[:7] == HOSTILE
    monkeypatch.setenv("OPENSKY_LAKE", str(lake))
    for given, wanted in ((["--exact"], b"x\n=1\n"), ([], b"x\n'=1\n")):
        assert main(["sql", "SELECT '=1' AS x", "--format", "csv", *given]) == 0
        assert capfdbinary.readouterr().out == wanted


@pytest.mark.parametrize(
    ("query", "out", "told"),
    [
        ("FROM rutes", None, "opensky-assets tables"),
        ("SELEC 1", None, "syntax error"),
        ("SELECT 1", "answer.ods", "does not tell the format"),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_line(
    lake: Path, tmp_path: Path, query: str, out: str | None, told: str
) -> None:
    with pytest.raises(SqlError, match=told) as said:
        run_sql(query, str(lake), None, tmp_path / out if out else None)
    assert "\n" not in str(said.value)
