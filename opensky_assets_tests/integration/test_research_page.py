"""The page docs/research.md: its code runs as it stands, on simulated traffic."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from opensky_assets.settings import load_settings
from opensky_assets.sources.simulate import simulate
from opensky_assets_tests.services.engines import chain

PAGE = Path(__file__).resolve().parents[2] / "docs" / "research.md"
DAYS = ["2022-06-25", "2022-06-26"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("research")
    simulate(folder / "bucket", start=date(2022, 6, 25), days=2, aircraft=80, seed=7)
    settings = load_settings(source=str(folder / "bucket"), lake=str(folder / "lake"), quarantine_limit=0.5)
    chain(settings, DAYS, date(2026, 1, 1))
    return folder


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_its_code_runs(place: Path) -> None:
    code = blocks("python")
    assert len(code) >= 8
    environment = {**os.environ, "OPENSKY_LAKE": str(place / "lake"), "TZ": "America/New_York", "MPLBACKEND": "Agg"}
    checks = """
assert len(day) > 100 and len(path) > 10 and len(by_hour) == 24 and len(arrivals) and len(of_one_operator)
assert set(by_hour["hour"]) == set(range(24)), by_hour
assert {type(value).__name__ for value in frame["day"]} == {"date"}, frame.dtypes
"""
    program = "\n".join([*code, checks])
    done = subprocess.run([sys.executable, "-c", program], cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"^<track of [0-9a-f]{6}, 2022-06-2.*rows of 31 columns", done.stdout, re.MULTILINE)
    saved = {"track.png", "track.geojson", "track.kml", "track.geoparquet", "flights.xlsx", "flights.parquet"}
    assert saved <= {path.name for path in place.iterdir()}
    assert (place / "track.png").stat().st_size > 10_000


@pytest.mark.slow
def test_its_commands_run(place: Path) -> None:
    commands = [line for block in blocks("console") for line in block.splitlines()]
    assert len(commands) == 3
    environment = {**os.environ, "OPENSKY_LAKE": str(place / "lake")}
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "opensky-assets"
        done = subprocess.run(
            [sys.executable, "-m", "opensky_assets.cli", *arguments],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, ""), command
        assert (place / arguments[-1]).stat().st_size > 0
