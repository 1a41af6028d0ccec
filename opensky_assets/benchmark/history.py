"""The history of the ingest benchmark in the lake: added to, read, compared with, exported."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from opensky_assets.benchmark.regression import Regression, compare
from opensky_assets.benchmark.scenarios import Row
from opensky_assets.lake import Lake
from opensky_assets.schemas import BENCHMARK_RUNS

CSV_PATH = "metrics/pipeline_metrics.csv"
JSON_PATH = "metrics/pipeline_metrics.json"
HISTORY_CSV_PATH = "metrics/pipeline_metrics_history.csv"
"""All runs of all benchmarks, under the name that a notebook of OpenSky's users gives its history."""

CSV_COLUMNS = ("files_count", "duration_sec", "avg_cpu", "avg_ram", "net_mb", "disk_mb")
HISTORY_COLUMNS = ("started_at", "benchmark", "table", "engine", "workers", "cache", "machine")
"""What tells the runs of a history apart, after the columns of a benchmark."""

LEAST_REPEATS = 3
"""Fewer repeats than this, now or before, tell nothing of noise."""

ALIKE = ("table", "engine", "master", "workers", "cache", "files", "repeated_files", "source_kind", "data", "machine")
"""Runs that agree in these can be compared."""


def add(lake: Lake, rows: Sequence[Row]) -> list[str]:
    """Add the runs of one benchmark to the lake's history, and export them; the paths of the four files."""
    path = f"{BENCHMARK_RUNS.path}/{rows[0]['benchmark']}.parquet"
    table = pa.Table.from_pylist(list(rows), schema=BENCHMARK_RUNS.schema)
    with lake.run() as run:
        staging = run.folder("benchmark")
        files = {
            path: staging / "runs.parquet",
            CSV_PATH: staging / "metrics.csv",
            JSON_PATH: staging / "metrics.json",
            HISTORY_CSV_PATH: staging / "history.csv",
        }
        pq.write_table(
            table.replace_schema_metadata({"opensky.contract_version": BENCHMARK_RUNS.version}),
            files[path],
            compression="zstd",
        )
        files[CSV_PATH].write_text(as_csv(rows))
        files[JSON_PATH].write_text(as_json(rows))
        files[HISTORY_CSV_PATH].write_text(as_csv([*read(lake), *rows], HISTORY_COLUMNS))
        lake.publish(files)
    return list(files)


def read(lake: Lake) -> list[Row]:
    """All runs, oldest first."""
    paths = [file.path for file in lake.files.walk(BENCHMARK_RUNS.path) if file.path.endswith(".parquet")]
    rows = [row for path in paths for row in lake.parquet(path).read().to_pylist()]
    return sorted(rows, key=lambda row: row["started_at"])


def by_scenario(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The repeats of each engine and number of files, from few files to many."""
    found: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        found.setdefault((row["engine"], row["files"]), []).append(row)
    return (found[key] for key in sorted(found))


def middle(rows: Sequence[Row], column: str) -> float | None:
    """The median of a column over repeats; `None` where it was not counted in one of them."""
    values = [row[column] for row in rows]
    return None if not values or None in values else median(values)


@dataclass(frozen=True)
class Comparison:
    """The repeats of a scenario against those of the last comparable benchmark (`None`: there is none)."""

    now: list[Row]
    before: list[Row] | None
    regression: Regression | None

    @property
    def judged(self) -> bool:
        """Whether there was enough to tell a regression from noise."""
        return self.before is not None and min(len(self.now), len(self.before)) >= LEAST_REPEATS

    @property
    def name(self) -> str:
        return f"{self.now[0]['engine']}, {self.now[0]['files']} files"

    def __str__(self) -> str:
        took = f"{middle(self.now, 'duration_s'):.2f} s"
        if self.before is None:
            return f"{took}; nothing comparable before"
        at: datetime = self.before[0]["started_at"]
        told = f"{took}, {middle(self.before, 'duration_s'):.2f} s on {at:%Y-%m-%d %H:%M} UTC"
        if self.regression:
            return f"{told}: slower beyond noise, {self.regression}"
        return told if self.judged else f"{told}; {LEAST_REPEATS} repeats each are needed to judge"


def compare_with_history(rows: Sequence[Row], history: Sequence[Row]) -> list[Comparison]:
    """Each scenario of a benchmark against the last one before it with the same data, machine and settings."""
    found = []
    for now in by_scenario(rows):
        alike = [
            row
            for row in history
            if row["started_at"] < now[0]["started_at"]
            and row["benchmark"] != now[0]["benchmark"]
            and all(row[name] == now[0][name] for name in ALIKE)
        ]
        before = [row for row in alike if row["benchmark"] == alike[-1]["benchmark"]] or None
        seconds = [[row["duration_s"] for row in repeats] for repeats in (now, before or [])]
        found.append(Comparison(now, before, compare(*seconds)))
    return found


def as_csv(rows: Iterable[Row], more: Sequence[str] = ()) -> str:
    """A line a run, `more` columns of the history at its end. `avg_cpu` and `avg_ram` are the run's shares of the
    machine in percent, `net_mb` what came from a bucket, `disk_mb` what was read from and written to disks; empty where
    it was not counted."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*CSV_COLUMNS, *more])
    for row in rows:
        disk = None if row["read_bytes"] is None else (row["read_bytes"] + row["written_bytes"]) / 1e6
        received = row["received_bytes"] / 1e6 if row["cache"] == "remote" else 0.0
        values = (
            row["duration_s"],
            100 * row["mean_cores"] / row["machine_cpus"],
            100 * row["mean_rss_bytes"] / row["machine_memory_bytes"],
            received,
            disk,
        )
        figures = ("" if value is None else f"{value:.3f}" for value in values)
        writer.writerow([row["files"], *figures, *(_text(row[name]) for name in more)])
    return out.getvalue()


def as_json(rows: Sequence[Row]) -> str:
    """The benchmark whole: what all runs share, the runs, and of each scenario the median and the spread."""
    shared = {name: rows[0][name] for name in rows[0] if all(row[name] == rows[0][name] for row in rows)}
    scenarios = [
        {
            "engine": repeats[0]["engine"],
            "files": repeats[0]["files"],
            "repeats": len(repeats),
            "median_s": middle(repeats, "duration_s"),
            "least_s": min(row["duration_s"] for row in repeats),
            "most_s": max(row["duration_s"] for row in repeats),
            "verdicts": sorted({row["verdict"] for row in repeats}),
        }
        for repeats in by_scenario(rows)
    ]
    runs = [{name: value for name, value in row.items() if name not in shared} for row in rows]
    return json.dumps({"shared": shared, "scenarios": scenarios, "runs": runs}, indent=1, default=_plain) + "\n"


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value)} in a row of the benchmark")
