"""What Spark costs on one machine: `python benchmarks/spark_overhead.py`.

First the ingest: simulated hours of states, the same few over and over, by the local runner's processes and by a Spark
session of as many cores (`local[2]`), taking turns into empty lakes. Starting the session, and a warm-up in which each
worker imports what it needs, are not on the clock; the local runner starts its processes anew each time, and that is.
Then the enrichment of states on both engines, each in a process of its own, taking turns, with the core-seconds and the
peak memory of its process tree. With `--objects 0` that alone. Prints the ratios; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from datetime import date
from pathlib import Path
from typing import Any, Literal

from ingest_vs_peers import START, Inputs, _sample, make_inputs, with_objects

from opensky_assets.benchmark.monitor import Monitor
from opensky_assets.engines.engine import open_engine
from opensky_assets.engines.local import LocalEngine
from opensky_assets.engines.spark.engine import SparkEngine
from opensky_assets.engines.spark.session import start_session
from opensky_assets.ingest.reference import sync_aircraft
from opensky_assets.ingest.runner import ingest_objects
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import Lake
from opensky_assets.lake.days import DayRows
from opensky_assets.lake.tables import ParquetTables, snapshot_of
from opensky_assets.schemas import AIRCRAFT_DATABASE, STATE_VECTORS
from opensky_assets.settings import Settings, load_settings
from opensky_assets.storage.objects import LocalStore
from opensky_assets.transforms.enrich import STATE_ENRICHMENT
from opensky_assets.transforms.inputs import work_on_enrichment

TODAY = date(2026, 1, 1)
DAY = START.isoformat()


def silent(text: str) -> None:
    pass


def settings(cores: int, memory: str, engine: Literal["local", "spark"] = "spark") -> Settings:
    quiet = "spark.ui.enabled=false"
    return Settings(
        _env_file=None, engine=engine, spark_master=f"local[{cores}]", spark_memory=memory, spark_conf=quiet,
        workers=cores,
    )  # fmt: skip


def ingest(inputs: Inputs, lake: Lake, given: Settings, runner: Any) -> tuple[float, int]:
    """Seconds and rows of one sync into an empty lake."""
    began = time.perf_counter()
    done = sync_days(STATE_VECTORS, [DAY], LocalStore(inputs.bucket), lake, given, TODAY, silent, runner)
    seconds = time.perf_counter() - began
    assert not done.failed, done.failed
    return seconds, sum(manifest.total.written for manifest in done.read)


def race(inputs: Inputs, repeats: int, given: Settings, out: Path) -> dict[str, list[float]]:
    session = start_session(given)
    turns: dict[str, list[float]] = {"local": [], "spark": []}
    runners = {"local": LocalEngine().ingest, "spark": SparkEngine(session).ingest}
    for again in range(repeats + 1):
        for name in turns if again % 2 else reversed(turns):
            shutil.rmtree(out, ignore_errors=True)
            os.sync()  # nobody pays for the writing of the one before
            seconds, rows = ingest(inputs, Lake.at(out), given, runners[name])
            print(f"  {again or 'warm-up'} {name}: {seconds:.2f} s, {rows:,} rows", flush=True)
            if again:
                turns[name].append(seconds)
    shutil.rmtree(out, ignore_errors=True)
    session.stop()
    return turns


def make_lake(inputs: Inputs, objects: int, given: Settings, folder: Path) -> int:
    """A lake with a day of states of so many objects, and the aircraft table; the day's rows."""
    some = with_objects(inputs, objects)
    shutil.copytree(inputs.bucket / "metadata", some.bucket / "metadata")
    shutil.rmtree(folder, ignore_errors=True)
    _, rows = ingest(some, Lake.at(folder), given, ingest_objects)
    sync_aircraft(LocalStore(some.bucket), Lake.at(folder), given, TODAY, silent)
    shutil.rmtree(some.bucket)
    return rows


def enrich(engine: Literal["local", "spark"], folder: Path, cores: int, memory: str) -> None:
    """Enrich the day of a lake, in this process, and say what it took (without the start of a session)."""
    lake, opened = Lake.at(folder), open_engine(settings(cores, memory, engine))
    shutil.rmtree(folder / STATE_ENRICHMENT.result.path, ignore_errors=True)
    shutil.rmtree(folder / "_manifest" / STATE_ENRICHMENT.result.path, ignore_errors=True)
    os.sync()
    snapshot, work = snapshot_of(lake, AIRCRAFT_DATABASE), work_on_enrichment(lake, STATE_ENRICHMENT, [DAY])
    with Monitor() as monitor:
        made = opened.transform(STATE_ENRICHMENT, lake, work, snapshot)
        done = ParquetTables(lake).write_days(STATE_ENRICHMENT.result, made)[0] if isinstance(made, DayRows) else made
    usage = monitor.usage
    print(json.dumps({"seconds": usage.duration_s, "cpu_s": usage.cpu_s, "rows": done.records[DAY].rows}))


def time_enrichment(engine: str, lake: Path, cores: int, memory: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--enrich", engine, "--lake", str(lake), "--cores", str(cores)]
    child = subprocess.Popen([*command, "--memory", memory], stdout=subprocess.PIPE, text=True)
    peak = [0]
    sampler = threading.Thread(target=_sample, args=(child, peak), daemon=True)
    sampler.start()
    text, _ = child.communicate()
    sampler.join()
    if child.returncode:
        raise RuntimeError(f"the enrichment on {engine} failed")
    found: dict[str, float] = json.loads(text.strip().splitlines()[-1])
    print(
        f"  {engine}: {found['seconds']:.2f} s, {found['cpu_s']:.2f} core-seconds, {found['rows']:,} rows, "
        f"{peak[0] / 1e6:.0f} MB at most",
        flush=True,
    )
    return found | {"peak_bytes": peak[0]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=4, help="hours that are simulated")
    parser.add_argument("--rows", type=int, default=1_200_000, help="about so many an hour")
    parser.add_argument("--objects", type=int, default=24, help="objects to ingest, of these hours; at most 24")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--enriched-rows", type=int, default=10_000_000)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--memory", default="2g", help="heap of Spark's driver")
    parser.add_argument("--folder", type=Path, default=load_settings().root / "benchmarks")
    parser.add_argument("--enrich", choices=("local", "spark"), help=argparse.SUPPRESS)
    parser.add_argument("--lake", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.enrich:
        enrich(args.enrich, args.lake, args.cores, args.memory)
        return 0
    folder = args.folder.resolve() / "spark"
    inputs = make_inputs(folder, "states", args.hours, args.rows, 0.0)
    given = settings(args.cores, args.memory)
    told: dict[str, Any] = {}
    if args.objects:
        many = with_objects(inputs, args.objects)
        print(f"ingest of {args.objects} objects on {args.cores} cores; load {os.getloadavg()}", flush=True)
        turns = race(many, args.repeats, given, folder / "out")
        shutil.rmtree(many.bucket)
        seconds = {name: statistics.median(found) for name, found in turns.items()}
        ratio = seconds["spark"] / seconds["local"]
        print(f"Spark takes {ratio:.3f} x the time of the local runner ({seconds})")
        told |= {f"ingest_{name}_s": round(value, 3) for name, value in seconds.items()}
        told["ingest_spark_to_local"] = round(ratio, 4)

    lake = folder / "lake"
    rows = make_lake(inputs, min(24, max(1, round(args.enriched_rows / args.rows))), given, lake)
    print(f"enrichment of {rows:,} states; load {os.getloadavg()}", flush=True)
    found = [
        {engine: time_enrichment(engine, lake, args.cores, args.memory) for engine in ("local", "spark")}
        for _ in range(args.repeats)
    ]
    shutil.rmtree(lake)
    if {one["rows"] for turn in found for one in turn.values()} != {rows}:
        raise RuntimeError(f"of {rows:,} states, the engines enriched {found}")
    told["enriched_rows"] = rows
    for name in ("local", "spark"):
        middle = {m: statistics.median(turn[name][m] for turn in found) for m in ("seconds", "cpu_s", "peak_bytes")}
        told[f"enrich_{name}_s"] = round(middle["seconds"], 3)
        told[f"enrich_{name}_cpu_s"] = round(middle["cpu_s"], 3)
        told[f"enrich_{name}_peak_mb"] = round(middle["peak_bytes"] / 1e6)
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
