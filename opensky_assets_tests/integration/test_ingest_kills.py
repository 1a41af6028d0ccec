"""The ingest killed with -9, in process and with a pool, while the source changes and a reader polls all the time."""

from __future__ import annotations

import random
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from opensky_assets.checks.raw import broken_laws
from opensky_assets.ingest.sync import sync_days
from opensky_assets.schemas import STATE_VECTORS
from opensky_assets.settings import load_settings
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests.integration.test_two_runs import DAY, HOURS, TODAY, go, published, start, write_version
from opensky_assets_tests.lakes import LocalLake

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

KILLS = 10
LONGEST_S = {False: 0.4, True: 1.2}
"""How long after its start a run without, or with, a pool is killed at most; about as long as it needs."""


class Reader:
    """Polls the files of a day: each has to be whole and of one version, whatever is being written and killed."""

    def __init__(self, day: Path) -> None:
        self.day, self.reads, self.faults = day, 0, list[str]()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _poll(self) -> None:
        while not self._stop.wait(0.005):
            for path in self.day.glob("*.parquet"):
                try:
                    with path.open("rb") as file:
                        icao24 = pq.ParquetFile(file).read(["icao24"])["icao24"].to_pylist()
                except FileNotFoundError:
                    continue
                except Exception as error:
                    self.faults.append(f"{path.name}: {error}")
                    continue
                self.reads += 1
                if {text[-1] for text in icao24} != {str(len(icao24) // 1000)} or len(icao24) % 1000:
                    self.faults.append(f"{path.name}: {len(icao24)} rows")


def check_kills(folder: Path, kills: int, seed: int, say: Callable[[str], None]) -> None:
    """Kill so many runs; from time to time let one end and compare its lake with that of a run left alone."""
    moments = random.Random(seed)
    bucket, root, alone = folder / "bucket", folder / "lake", folder / "alone"
    version = 1
    for hour in HOURS:
        write_version(bucket, hour, version)
    killed = missed = rounds = 0
    with Reader(root / f"raw/state_vectors/day={DAY}") as reader:
        while killed < kills:
            for _ in range(min(5, kills - killed)):
                pool = moments.random() < 0.5
                run = start(bucket, root, pool=pool)
                go([run])
                try:
                    run.wait(moments.uniform(0, LONGEST_S[pool]))
                    missed += 1  # it was through before its moment came
                except subprocess.TimeoutExpired:
                    run.kill()
                    killed += 1
                run.communicate()
                if moments.random() < 0.5:  # what is published becomes old news
                    version = version % 4 + 1
                    for hour in moments.sample(HOURS, 3):
                        write_version(bucket, hour, version)
            lake = LocalLake.at(root)
            sync_days(STATE_VECTORS, [DAY], LocalStore(bucket), lake, load_settings(), TODAY, lambda text: None)
            shutil.rmtree(alone, ignore_errors=True)
            sync_days(
                STATE_VECTORS, [DAY], LocalStore(bucket), LocalLake.at(alone), load_settings(), TODAY, lambda text: None
            )
            assert published(root) == published(alone)
            assert broken_laws(lake, list(lake.manifests(STATE_VECTORS.name).values())) == []
            left = [path.name for path in root.iterdir() if path.name not in ("raw", "_manifest")]
            assert left == []
            rounds += 1
            say(f"{killed} killed ({missed} were through before), {rounds} lakes compared, {reader.reads:,} reads")
    assert reader.faults == []
    assert reader.reads > kills


def test_kills_leave_the_lake_of_a_run_left_alone(tmp_path: Path) -> None:
    check_kills(tmp_path, KILLS, 20221121, print)
