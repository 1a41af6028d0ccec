"""The ingest benchmark over simulated files, its history and its page, looked at in a browser."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from opensky_assets.benchmark import history
from opensky_assets.benchmark.scenarios import Ask, RunFailed, benchmark
from opensky_assets.lake import Lake
from opensky_assets.report.benchmark import benchmark_cards, benchmark_page, build_benchmark_report
from opensky_assets.schemas import BENCHMARK_RUNS
from opensky_assets.settings import Settings
from opensky_assets.sources.simulate import simulate
from opensky_assets.storage.errors import SourceError
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests.buckets import TODAY, put
from opensky_assets_tests.chromium import BROWSER, Chromium, chromium
from opensky_assets_tests.integration.test_report_pages import DRAWN

pytestmark = pytest.mark.slow

SETTINGS = Settings(_env_file=None, workers=2)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 small hours of states."""
    folder = tmp_path_factory.mktemp("benchmark") / "bucket"
    simulate(folder, start=date(2022, 6, 25), days=3, aircraft=12, seed=5, states_hours=50)
    return folder


@pytest.fixture(scope="module")
def measured(bucket: Path) -> tuple[Lake, list[history.Row]]:
    """A lake with one benchmark in its history, and its runs."""
    lake = Lake.at(bucket.parent / "lake")
    said: list[str] = []
    rows = benchmark(LocalStore(bucket), lake, SETTINGS, TODAY, Ask(repeats=1), said.append)
    assert len(said) == 4 and said[-1].startswith("local, 50 files, run 1: ")
    history.add(lake, rows)
    return lake, rows


def test_each_scenario_reads_just_its_objects_and_is_measured(measured: tuple[Lake, list[history.Row]]) -> None:
    lake, rows = measured
    assert [(row["scenario"], row["files"]) for row in rows] == [("5", 5), ("20 %", 10), ("50 %", 25), ("100 %", 50)]
    for row in rows:
        assert (row["requests"], row["repeated_files"], row["retries"], row["refused"]) == (row["files"], 0, 0, 0)
        assert row["received_bytes"] == row["source_bytes"] > 0
        assert row["rows"] > 0 and row["held_back"] == 0
        assert 0 < row["duration_s"] < 60 and 0 < row["cpu_s"] < 60
        assert 50e6 < row["mean_rss_bytes"] <= row["peak_rss_bytes"] < 2e9
        assert row["verdict"] and row["evidence"] and 0 <= row["confidence"] <= 1
        assert (row["source_kind"], row["cache"], row["cached_share"]) == ("simulated", "warm", 1.0)
    assert rows[0]["rows"] < rows[1]["rows"] < rows[2]["rows"] < rows[3]["rows"]
    # The lake itself has the history and nothing else: scratch lakes are gone.
    assert sorted(path.name for path in Path(lake.address("")).iterdir()) == ["metrics"]


def test_the_history_keeps_its_contract_and_is_exported(measured: tuple[Lake, list[history.Row]]) -> None:
    lake, rows = measured
    assert history.read(lake) == rows
    (path,) = Path(lake.address(BENCHMARK_RUNS.path)).iterdir()
    assert lake.parquet(f"{BENCHMARK_RUNS.path}/{path.name}").schema_arrow.equals(BENCHMARK_RUNS.schema)
    assert duckdb.sql(f"SELECT sum(files) FROM '{path}'").fetchall() == [(90,)]
    with Path(lake.address(history.CSV_PATH)).open() as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == ["files_count", "duration_sec", "avg_cpu", "avg_ram", "net_mb", "disk_mb"]
    assert [int(line["files_count"]) for line in table] == [5, 10, 25, 50]
    for line, row in zip(table, rows, strict=True):
        assert float(line["duration_sec"]) == pytest.approx(row["duration_s"], abs=0.001)
        assert 0 < float(line["avg_cpu"]) <= 110 and 0 < float(line["avg_ram"]) < 100
    with Path(lake.address(history.HISTORY_CSV_PATH)).open() as file:
        runs = list(csv.DictReader(file))
    assert [{name: run[name] for name in table[0]} for run in runs] == table
    assert [run["started_at"] for run in runs] == [row["started_at"].isoformat() for row in rows]
    assert {(run["table"], run["engine"], run["cache"]) for run in runs} == {("state_vectors", "local", "warm")}
    told = json.loads(Path(lake.address(history.JSON_PATH)).read_text())
    assert [scenario["files"] for scenario in told["scenarios"]] == [5, 10, 25, 50]
    assert told["shared"]["machine"] and len(told["runs"]) == 4


def test_the_history_as_csv_goes_on_with_the_next_benchmark(
    measured: tuple[Lake, list[history.Row]], tmp_path: Path
) -> None:
    _, rows = measured
    lake = Lake.at(tmp_path / "lake")
    for week in (1, 2):
        history.add(lake, slower(rows, 1, week))
    with Path(lake.address(history.HISTORY_CSV_PATH)).open() as file:
        runs = [(run["benchmark"], int(run["files_count"])) for run in csv.DictReader(file)]
    assert [benchmark for benchmark, _ in runs] == 12 * ["later-1"] + 12 * ["later-2"]
    with Path(lake.address(history.CSV_PATH)).open() as file:
        assert [files for _, files in runs[12:]] == [int(run["files_count"]) for run in csv.DictReader(file)]


def slower(rows: list[history.Row], factor: float, weeks: int) -> list[history.Row]:
    """The same runs three times each, some weeks later, with other times."""
    return [
        row
        | {
            "benchmark": f"later-{weeks}",
            "started_at": row["started_at"] + timedelta(weeks=weeks),
            "repeat": repeat,
            "duration_s": row["duration_s"] * factor * (1 + repeat / 100),
        }
        for row in rows
        for repeat in (1, 2, 3)
    ]


def test_only_what_is_slower_beyond_noise_than_comparable_runs_is_a_regression(
    measured: tuple[Lake, list[history.Row]],
) -> None:
    _, rows = measured
    first, same, worse = slower(rows, 1, 1), slower(rows, 1.005, 2), slower(rows, 1.5, 3)
    none = history.compare_with_history(rows, [])
    assert not any(c.before or c.judged or c.regression for c in none)
    level = history.compare_with_history(same, [*rows, *first, *same])
    assert all(c.judged and c.before and not c.regression for c in level)
    assert {row["benchmark"] for c in level for row in c.before or []} == {"later-1"}  # the last one, not the first
    found = history.compare_with_history(worse, [*rows, *first, *same, *worse])
    assert all(c.regression and c.regression.growth == pytest.approx(0.49, abs=0.02) for c in found)
    elsewhere = [row | {"machine": "another"} for row in worse]
    assert not any(c.before for c in history.compare_with_history(elsewhere, [*rows, *first]))
    once = [row for row in worse if row["repeat"] == 1]
    assert not any(c.judged or c.regression for c in history.compare_with_history(once, first))


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here (Debian: apt-get install chromium)")
@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)], ids=["phone by night", "desk by day"])
def test_the_page_of_real_runs_draws_every_chart(
    browser: Chromium, measured: tuple[Lake, list[history.Row]], width: int, dark: bool, tmp_path: Path
) -> None:
    rows = [*measured[1], *slower(measured[1], 1.1, 1)]
    rows += [row | {"engine": "spark", "master": "local[2]"} for row in slower(measured[1], 3, 1)]
    file = tmp_path / "report.html"
    file.write_text(benchmark_page(rows), encoding="utf-8")
    browser.open(file, width, 900, dark)
    drawn = {found["name"]: found for found in browser.ask(DRAWN) if found["name"]}
    assert list(drawn) == [card.name for card in benchmark_cards(rows)]
    assert {"duration", "use", "network", "per_file", "speed", "memory", "disk", "engines", "history"} == drawn.keys()
    for found in drawn.values():
        assert found["drawings"] == 1 and found["marks"] >= 3 and found["colours"] >= 2, found
        assert found["smallest"] >= 6.3, found
    assert browser.requests == [file.resolve().as_uri()] and browser.complaints == []
    assert browser.ask("document.documentElement.scrollWidth") <= width
    text = browser.ask("document.body.innerText")
    for name, first in (("duration", "Median (s)"), ("use", "Median (cores)"), ("history", "Repeats")):
        browser.ask(f"document.querySelector('#{name} svg').focus()")
        browser.press("ArrowRight")
        assert first in browser.ask(f"document.querySelector('#{name} .tip').innerText")
    assert browser.requests == [file.resolve().as_uri()] and browser.complaints == []
    assert "Measured on simulated data" in text and "files: " in text and "slower beyond noise" not in text


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as tab:
        yield tab


def test_the_report_is_published_with_its_pictures(measured: tuple[Lake, list[history.Row]]) -> None:
    lake, rows = measured
    report = build_benchmark_report(lake, rows)
    assert list(report.panels) == ["duration", "use", "network", "per_file"]
    assert lake.exists(report.page) and all(lake.exists(path) for path in report.pictures)
    assert len(report.pictures) == len(report.charts) >= 7  # no engines, no history yet
    assert all(picture.startswith(b"\x89PNG") for picture in report.panels.values())


def test_a_run_that_fails_says_why(bucket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="no object of flights whose key"):
        put(tmp_path / "empty", "readme.txt", b"nothing")
        store = LocalStore(tmp_path / "empty")
        benchmark(store, Lake.at(tmp_path / "lake"), SETTINGS, TODAY, Ask("flights"), print)
    monkeypatch.setenv("OPENSKY_QUARANTINE_LIMIT", "seven")
    with pytest.raises(RunFailed, match="OPENSKY_QUARANTINE_LIMIT"):
        benchmark(LocalStore(bucket), Lake.at(tmp_path / "lake"), SETTINGS, TODAY, Ask(limit=1, repeats=1), print)
    assert not list(tmp_path.glob("lake/_staging/*"))
