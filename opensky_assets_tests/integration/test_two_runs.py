"""Two processes at once on the same days, and a reader beside them: nobody ever sees, or leaves, a wrong lake."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from opensky_assets.checks.raw import broken_laws
from opensky_assets.ingest.sync import sync_days
from opensky_assets.schemas import STATE_VECTORS
from opensky_assets.settings import load_settings
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests.lakes import LocalLake
from opensky_assets_tests.state_files import epoch, state, write_hour

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
DAY, TODAY = "2022-06-20", date(2022, 7, 1)
HOURS = range(6)
SYNC = """
import sys, time
from datetime import date
from pathlib import Path
from opensky_assets.ingest import runner
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import Lake
from opensky_assets.schemas import STATE_VECTORS
from opensky_assets.settings import load_settings
from opensky_assets.storage.objects import LocalStore

bucket, lake, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
if sys.argv[4] == "pool":
    runner.SMALL_BYTES = 0
print("ready", flush=True)
sys.stdin.readline()
end = time.monotonic() + seconds
runs = 0
while not runs or time.monotonic() < end:
    sync_days(STATE_VECTORS, ["2022-06-20"], LocalStore(bucket), Lake.at(lake), load_settings(), date(2022, 7, 1), len)
    runs += 1
print(runs)
"""


def start(bucket: Path, lake: Path, seconds: float = 0, pool: bool = False) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENSKY_")}
    process = subprocess.Popen(
        [sys.executable, "-c", SYNC, str(bucket), str(lake), str(seconds), "pool" if pool else "here"],
        env={**kept, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def go(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def finish(process: subprocess.Popen[str]) -> int:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return int(output)


def write_version(bucket: Path, hour: int, version: int) -> None:
    """Version n of an hour has n thousand rows, each of which tells the version."""
    write_hour(
        bucket, DAY, hour, [state(epoch(DAY, hour, n % 3600), f"{n:05x}{version}") for n in range(version * 1000)]
    )


def published(lake: Path) -> dict[str, bytes]:
    return {path.relative_to(lake).as_posix(): path.read_bytes() for path in sorted((lake / "raw").rglob("*.parquet"))}


def test_two_runs_on_the_same_days_end_with_the_lake_of_one(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    for hour in HOURS:
        write_version(bucket, hour, 2)
    alone = tmp_path / "alone"
    sync_days(STATE_VECTORS, [DAY], LocalStore(bucket), LocalLake.at(alone), load_settings(), TODAY, lambda text: None)
    for attempt in range(3):
        both = tmp_path / f"both{attempt}"
        runs = [start(bucket, both), start(bucket, both)]
        go(runs)
        for run in runs:
            finish(run)
        lake = LocalLake.at(both)
        assert published(both) == published(alone)
        assert broken_laws(lake, list(lake.manifests(STATE_VECTORS.name).values())) == []
        assert not (both / "_staging").exists()


def test_a_reader_sees_each_object_whole_while_two_runs_follow_a_changing_source(tmp_path: Path) -> None:
    bucket, root = tmp_path / "bucket", tmp_path / "lake"
    for hour in HOURS:
        write_version(bucket, hour, 1)
    runs = [start(bucket, root, seconds=10), start(bucket, root, seconds=10)]
    go(runs)
    seen: set[int] = set()
    version, reads, changed = 1, 0, time.monotonic()
    while any(run.poll() is None for run in runs):
        if time.monotonic() - changed > 0.4:
            version = version % 4 + 1
            for hour in HOURS:
                write_version(bucket, hour, version)
            changed = time.monotonic()
        for path in root.glob(f"raw/state_vectors/day={DAY}/*.parquet"):
            with path.open("rb") as file:
                icao24 = pq.ParquetFile(file).read(["icao24"])["icao24"].to_pylist()
            versions = {text[-1] for text in icao24}
            assert versions == {str(len(icao24) // 1000)} and len(icao24) % 1000 == 0, path.name
            seen.add(len(icao24) // 1000)
            reads += 1
    assert sum(finish(run) for run in runs) > 4
    assert reads > 100 and len(seen) > 1

    lake = LocalLake.at(root)
    sync_days(STATE_VECTORS, [DAY], LocalStore(bucket), lake, load_settings(), TODAY, lambda text: None)
    manifests = lake.manifests(STATE_VECTORS.name)
    assert broken_laws(lake, list(manifests.values())) == []
    assert lake.held(STATE_VECTORS.name) == {}
    assert {m.total.written for m in manifests.values()} == {version * 1000}
    assert not (root / "_staging").exists()


def test_who_commits_last_has_seen_the_object_as_it_is(tmp_path: Path) -> None:
    """A run that read version 1 waits for its commit while the source gets version 2: it must not publish version 1,
    since another run may have published version 2 in the meantime."""
    bucket, lake = tmp_path / "bucket", LocalLake.at(tmp_path / "lake")
    write_version(bucket, 0, 1)
    with lake.files.lock("commit.lock"):
        run = start(bucket, lake.root)
        go([run])
        deadline = time.monotonic() + 60
        while not list(lake.root.glob("_staging/*/manifest-*")) and not list(lake.root.glob("_staging/*/*/rows/*")):
            assert time.monotonic() < deadline, "the run does not get as far as its commit"
            time.sleep(0.05)
        time.sleep(0.5)
        assert run.poll() is None and published(lake.root) == {}
        write_version(bucket, 0, 2)
    finish(run)
    (held,) = lake.held(STATE_VECTORS.name).values()
    assert published(lake.root) == {} and (held.reason, "run again" in held.message) == ("unreadable", True)
    again = start(bucket, lake.root)
    go([again])
    finish(again)
    (manifest,) = lake.manifests(STATE_VECTORS.name).values()
    assert manifest.total.written == 2000
    assert broken_laws(lake, [manifest]) == []
