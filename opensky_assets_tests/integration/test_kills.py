"""Killed with -9 at random moments and started again: the same lake as a run that nobody disturbed."""

import random
import shutil
import signal
import subprocess
import time
from datetime import date
from pathlib import Path

import duckdb
import pytest

from opensky_assets.sources.simulate import simulate
from opensky_assets_tests.commands import Place

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

KILLS = 10
DAYS = ("--from", "2022-06-25", "--to", "2022-06-27")
SETTINGS = {
    "OPENSKY_WORKERS": "2",
    "OPENSKY_QUARANTINE_LIMIT": "0.5",  # every kind of defect stands once in each table, however small
}


def published(lake: Path, *folders: str) -> dict[str, bytes]:
    return {
        path.relative_to(lake).as_posix(): path.read_bytes()
        for folder in folders
        for path in sorted((lake / folder).rglob("*.parquet"))
    }


def mart_rows(lake: Path) -> dict[str, list[tuple[object, ...]]]:
    return {
        mart.name: sorted(
            duckdb.sql(f"FROM read_parquet('{mart}/*/*.parquet', hive_partitioning = true)").fetchall(), key=str
        )
        for mart in sorted((lake / "marts").iterdir())
    }


def leftovers(folder: Path) -> list[Path]:
    """Whatever lies in the lake or beside the warehouse that no finished run leaves there."""
    staging = list((folder / "lake").rglob("_staging"))
    known = ("raw", "core", "marts", "quarantine", "reference", "reports", "_manifest")
    stray = [path for path in (folder / "lake").iterdir() if path.name not in known]
    return [*staging, *stray, *folder.glob(".warehouse*")]


def kill_tree(process: subprocess.Popen[str]) -> None:
    """Kill the command with -9; its workers have to notice by themselves."""
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_ten_kills(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    simulate(bucket, start=date(2022, 6, 25), days=3, aircraft=60, seed=3, states_hours=6)
    calm, killed = Place(bucket, tmp_path / "calm"), Place(bucket, tmp_path / "killed")
    for place in (calm, killed):
        place.folder.mkdir()

    began = time.monotonic()
    done = calm.run("materialize", *DAYS, **SETTINGS)
    took_s = time.monotonic() - began
    assert done.returncode == 0, done.stdout[-5000:]

    moments = random.Random(20221121)
    for _ in range(KILLS):
        process = killed.start("materialize", *DAYS, **SETTINGS)
        try:
            process.wait(moments.uniform(0.15, 0.95) * took_s)
        except subprocess.TimeoutExpired:
            kill_tree(process)
        else:  # it was through before its moment came: all that follows starts from nothing again
            process.communicate()
            shutil.rmtree(killed.lake)
    last = killed.run("materialize", *DAYS, **SETTINGS)
    assert last.returncode == 0, last.stdout[-5000:]

    raw_and_core = ("raw", "core", "reference", "quarantine")
    assert published(killed.lake, *raw_and_core) == published(calm.lake, *raw_and_core)
    assert mart_rows(killed.lake) == mart_rows(calm.lake)
    assert leftovers(killed.folder) == []
    assert leftovers(calm.folder) == []
