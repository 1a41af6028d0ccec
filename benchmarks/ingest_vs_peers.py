"""Race the ingest against other converters on simulated objects: `python benchmarks/ingest_vs_peers.py`.

All contestants take turns within one run, so that whatever else the machine does disturbs all alike; each turn is a
process of its own. The clock inside it starts after the imports (and Spark's session); processes that a contestant
starts, with their imports, are on its clock. Memory is the sum of the resident sets of the process tree, sampled every
20 ms. Objects and tars are read once before, so all come out of the page cache. Peers that cannot read tars get the
same `.csv.gz` members extracted beforehand; ours reads the tars. The objects have no defects: peers would stop at them
or lose rows.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent
NAMES = ["ours", "polars", "polars_sorted", "duckdb", "pyarrow", "pandas", "pyspark", "chdb", "seed", "floor"]
SLOW = {"pandas", "pyspark", "seed", "chdb"}
"""Run fewer times; `seed` also on fewer objects, its time scaled by the rows."""

START = date(2022, 6, 25)
FLIGHTS_START = date(2022, 1, 1)
STATES_AN_HOUR = 94.5
"""Rows an aircraft has in a simulated hour, on average of the first eight."""
FLIGHTS_A_DAY = 3.46


@dataclass(frozen=True)
class Inputs:
    """The same objects twice: in the bucket, and as `.csv.gz` for those that need it."""

    table: str
    bucket: Path
    first_day: date
    days: int
    files: list[Path]

    def job(self, out: Path, objects: int | None = None) -> dict[str, Any]:
        return {
            "table": self.table,
            "bucket": str(self.bucket),
            "first_day": self.first_day.isoformat(),
            "days": self.days,
            "files": [str(path) for path in self.files[:objects]],
            "out": str(out),
        }


@dataclass(frozen=True)
class Turn:
    seconds: float
    core_seconds: float
    wall_seconds: float
    peak_bytes: int
    rows: int


# --- inputs --------------------------------------------------------------------------------------------------------


def make_inputs(folder: Path, table: str, objects: int, rows: int, defects: float) -> Inputs:
    from opensky_assets.sources.simulate import simulate

    bucket = folder / f"{table}-{objects}x{rows}{f'-defects-{defects:g}' if defects else ''}"
    if table == "states":
        first, days = START, -(-objects // 24)
        aircraft, hours = round(rows / STATES_AN_HOUR), objects
    else:
        first, hours = FLIGHTS_START, 0
        days = (date(first.year + objects // 12, 1 + objects % 12, 1) - first).days
        aircraft = round(rows * objects / days / FLIGHTS_A_DAY)
    if not (bucket.with_name(f"{bucket.name}.truth") / "simulated.json").exists():
        print(f"simulating {bucket}", file=sys.stderr)
        simulate(
            bucket, start=first, days=days, aircraft=aircraft, seed=7, defects=defects, states=hours > 0,
            states_hours=hours, force=True,
        )  # fmt: skip
    if table == "flights":
        return Inputs(table, bucket, first, days, sorted(bucket.glob("flights/*.csv.gz")))
    plain = bucket.with_name(f"{bucket.name}.gz")
    plain.mkdir(exist_ok=True)
    return Inputs(table, bucket, first, days, [extract(path, plain) for path in sorted(bucket.rglob("*.tar"))])


def extract(path: Path, folder: Path) -> Path:
    """The table of a tar as `.csv.gz`."""
    target = folder / f"{path.name.split('.')[0]}.csv.gz"
    if not target.exists():
        with tarfile.open(path) as tar:
            member = next(m for m in tar if ".csv" in m.name)
            data = tar.extractfile(member).read()  # type: ignore[union-attr]
        target.write_bytes(data if data[:2] == b"\x1f\x8b" else gzip.compress(data, 6))
    return target


def with_objects(inputs: Inputs, objects: int) -> Inputs:
    """A bucket of the first day with so many hours, the hours that were simulated over and over, as hard links."""
    bucket = inputs.bucket.with_name(f"{inputs.bucket.name}.hours-{objects}")
    shutil.rmtree(bucket, ignore_errors=True)
    tars = sorted(inputs.bucket.rglob("*.tar"))
    for hour in range(objects):
        day = inputs.first_day
        target = bucket / f"states/{day}/{hour:02d}/states_{day}-{hour:02d}.csv.tar"
        target.parent.mkdir(parents=True)
        os.link(tars[hour % len(tars)], target)
    shutil.copy(inputs.bucket / "SIMULATED.txt", bucket)
    return Inputs(inputs.table, bucket, inputs.first_day, 1, inputs.files)


# --- turns ---------------------------------------------------------------------------------------------------------


def run_turn(name: str, job: dict[str, Any], python: str) -> Turn:
    """One contestant, once. Raises `RuntimeError` with what it said where it fails."""
    out = Path(job["out"])
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    os.sync()  # nobody pays for the writing of the one before
    began = time.perf_counter()
    child = subprocess.Popen(
        [python, str(HERE / "contestants.py"), name, json.dumps(job)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    peak = [0]
    sampler = threading.Thread(target=_sample, args=(child, peak), daemon=True)
    sampler.start()
    text, errors = child.communicate()
    wall = time.perf_counter() - began
    sampler.join()
    shutil.rmtree(out, ignore_errors=True)
    if child.returncode:
        raise RuntimeError((errors.strip().splitlines() or [f"exit code {child.returncode}"])[-1])
    found = json.loads(text.strip().splitlines()[-1])
    return Turn(found["seconds"], found["core_seconds"], wall, peak[0], found["rows"])


def _sample(child: subprocess.Popen[str], peak: list[int]) -> None:
    try:
        root = psutil.Process(child.pid)
    except psutil.NoSuchProcess:
        return
    while child.poll() is None:
        resident = 0
        try:
            for process in (root, *root.children(recursive=True)):
                try:
                    resident += process.memory_info().rss
                except psutil.Error:
                    continue
        except psutil.Error:
            continue
        peak[0] = max(peak[0], resident)
        time.sleep(0.02)


def why_skipped(name: str, python: str) -> str | None:
    if name == "pyspark" and shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        return "needs Java, and there is none on the PATH or in JAVA_HOME"
    library = {"ours": "opensky_assets", "polars_sorted": "polars", "seed": "pandas", "floor": "isal"}.get(name, name)
    check = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({library!r}) is None)"
    if subprocess.call([python, "-c", check], cwd="/"):
        return f"the package {library} is not installed"
    return None


def race(inputs: Inputs, peers: Sequence[str], repeats: int, slow_repeats: int, seed_objects: int, out: Path,
         chdb_python: str) -> tuple[dict[str, list[Turn]], dict[str, str]]:  # fmt: skip
    turns: dict[str, list[Turn]] = {}
    skipped: dict[str, str] = {}
    for name in peers:
        if reason := why_skipped(name, chdb_python if name == "chdb" else sys.executable):
            skipped[name] = reason
    for path in [*inputs.files, *inputs.bucket.rglob("*.tar")]:
        path.read_bytes()
    rows: int | None = None
    for again in range(repeats):
        for name in peers if again % 2 == 0 else list(reversed(peers)):
            if name in skipped or (name in SLOW and again >= slow_repeats):
                continue
            part = name == "seed" and seed_objects < len(inputs.files)
            job = inputs.job(out, seed_objects if part else None)
            try:
                turn = run_turn(name, job, chdb_python if name == "chdb" else sys.executable)
            except RuntimeError as error:
                skipped[name] = f"failed: {error}"
                turns.pop(name, None)
                continue
            if name == "ours":
                rows = rows or turn.rows
            if part and rows:
                scale = rows / turn.rows
                turn = Turn(turn.seconds * scale, turn.core_seconds * scale, turn.wall_seconds, turn.peak_bytes, rows)
            elif rows is not None and turn.rows not in (-1, rows):  # what lost rows has no time to compare
                skipped[name] = f"wrote {turn.rows:,} rows, ours {rows:,}"
                turns.pop(name, None)
                continue
            turns.setdefault(name, []).append(turn)
            print(
                f"  {again + 1}. {name}: {turn.seconds:.2f} s, {turn.core_seconds:.2f} core-s, "
                f"{turn.peak_bytes / 1e6:.0f} MB",
                flush=True,
            )
    return turns, skipped


def growth(inputs: Inputs, repeats: int, out: Path) -> dict[str, float]:
    """Ours with 2 objects and with 24, taking turns: medians of time and peak memory."""
    found: dict[int, list[Turn]] = {2: [], 24: []}
    for again in range(repeats):
        for objects, turns in found.items():
            turn = run_turn("ours", with_objects(inputs, objects).job(out), sys.executable)
            turns.append(turn)
            print(f"  {again + 1}. ours, {objects} objects: {turn.seconds:.2f} s, {turn.peak_bytes / 1e6:.0f} MB")
    for objects in found:
        shutil.rmtree(with_objects(inputs, objects).bucket)
    seconds = {n: median(turns, "seconds") for n, turns in found.items()}
    peak = {n: median(turns, "peak_bytes") for n, turns in found.items()}
    return {
        "seconds_2": seconds[2],
        "seconds_24": seconds[24],
        "time_growth": seconds[24] / seconds[2],
        "peak_2": peak[2],
        "peak_24": peak[24],
        "rss_growth": peak[24] / peak[2],
    }


def median(turns: Sequence[Turn], what: str) -> float:
    return statistics.median(getattr(turn, what) for turn in turns)


# --- results -------------------------------------------------------------------------------------------------------


def write_turns(turns: dict[str, list[Turn]], table: str, folder: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    at = datetime.now(UTC)
    rows = [
        {"at": at, "table": table, "cores": os.cpu_count(), "contestant": name, "turn": n, **vars(turn)}
        for name, found in turns.items()
        for n, turn in enumerate(found)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"ingest-vs-peers-{table}-{at:%Y%m%dT%H%M%SZ}.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd")
    return path


def print_table(turns: dict[str, list[Turn]], skipped: dict[str, str]) -> None:
    ours = median(turns["ours"], "seconds") if "ours" in turns else None
    print(f"\n{'contestant':<15}{'median s':>10}{'x ours':>8}{'core-s':>9}{'peak MB':>9}{'turns':>7}{'M rows/s':>10}")
    for name, found in sorted(turns.items(), key=lambda item: median(item[1], "seconds")):
        seconds = median(found, "seconds")
        ratio = f"{seconds / ours:.2f}" if ours else ""
        speed = f"{found[0].rows / seconds / 1e6:.2f}" if found[0].rows > 0 else ""
        print(
            f"{name:<15}{seconds:>10.2f}{ratio:>8}{median(found, 'core_seconds'):>9.1f}"
            f"{median(found, 'peak_bytes') / 1e6:>9.0f}{len(found):>7}{speed:>10}"
        )
    for name, reason in skipped.items():
        print(f"{name:<15}skipped: {reason}")
    print()


def main() -> int:
    from opensky_assets.settings import load_settings

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", choices=("states", "flights"), default="states")
    parser.add_argument("--objects", "--hours", type=int, default=8, help="hours of states, or months of flights")
    parser.add_argument("--rows", "--rows-per-hour", type=int, default=1_200_000, help="about so many an object")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--slow-repeats", type=int, default=2, help=f"of {', '.join(sorted(SLOW))}")
    parser.add_argument("--seed-objects", type=int, default=1, help="the seed's loop reads so many; time is scaled")
    parser.add_argument("--growth-repeats", type=int, default=3, help="of 24 objects against 2 (states); 0: none")
    parser.add_argument("--peers", nargs="*", choices=NAMES, default=NAMES)
    parser.add_argument("--defects", type=float, default=0.0, help="share of damaged records; most peers then fail")
    parser.add_argument("--folder", type=Path, default=load_settings().root / "benchmarks")
    parser.add_argument("--chdb-python", default=sys.executable, help="an interpreter that has chdb installed")
    parser.add_argument("--chart", type=Path, help="write the chart as PNG here, where matplotlib is installed")
    args = parser.parse_args()
    folder = args.folder.resolve()
    out = folder / "ingest" / "out"
    inputs = make_inputs(folder / "ingest", args.table, args.objects, args.rows, args.defects)
    size = sum(path.stat().st_size for path in inputs.files)
    print(f"{len(inputs.files)} objects, {size / 1e6:.0f} MB gzipped, {os.cpu_count()} cores; load {os.getloadavg()}")
    if len(inputs.files) > args.seed_objects and "seed" in args.peers:
        print(f"seed reads {args.seed_objects} of {len(inputs.files)} objects; its time is scaled by the rows")
    print(f"{', '.join(sorted(SLOW & set(args.peers)))}: {args.slow_repeats} turns, the others {args.repeats}")
    turns, skipped = race(
        inputs, args.peers, args.repeats, min(args.slow_repeats, args.repeats), args.seed_objects, out, args.chdb_python
    )
    print_table(turns, skipped)
    path = write_turns(turns, args.table, folder)
    print(f"turns in {path}")
    if args.chart:
        try:
            from chart import draw
        except ImportError as error:
            print(f"no chart: {error}")
        else:
            print(f"chart in {draw(path, args.chart)}")
    grown = growth(inputs, args.growth_repeats, out) if args.table == "states" and args.growth_repeats else None
    if grown:
        print(
            f"24 objects against 2: {grown['time_growth']:.2f} x the time ({grown['seconds_24']:.1f} s, "
            f"{grown['seconds_2']:.1f} s), {grown['rss_growth']:.2f} x the memory ({grown['peak_24'] / 1e6:.0f} MB, "
            f"{grown['peak_2'] / 1e6:.0f} MB)"
        )
    last: dict[str, Any] = {"rows": turns["ours"][0].rows if "ours" in turns else None}
    for name in NAMES:
        last[f"{name}_s"] = round(median(turns[name], "seconds"), 3) if name in turns else None
    last["rss_growth"] = round(grown["rss_growth"], 3) if grown else None
    print(json.dumps(last))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
