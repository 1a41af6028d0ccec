"""What a user gets wrong in the first hour, each as a real command: one line says what it was and what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from opensky_assets_tests.commands import ROOT


def opensky_assets(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENSKY_", "DAGSTER_"))}
    return subprocess.run(
        [sys.executable, "-m", "opensky_assets.cli", *arguments],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT), "HOME": str(folder / "home")} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def the_line(done: subprocess.CompletedProcess[str], code: int = 1) -> str:
    """The one line of an error."""
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("OPENSKY_SOURCE_ENDPOINT", "s3.opensky-network.org", "did you mean https://s3.opensky-network.org?"),
        ("OPENSKY_LAKE_ENDPOINT", "127.0.0.1:9000", "must begin with http:// or https://"),
        ("OPENSKY_SOURCE", "s3:/data-samples", "did you mean s3://data-samples?"),
        ("OPENSKY_LAKE", "S3:lake/states", "did you mean s3://lake/states?"),
        ("OPENSKY_LAKE", "s3://", "must be a folder or s3://bucket[/prefix]"),
        ("OPENSKY_SOURCE", "https://opensky-network.org/datasets", "must be a folder or s3://bucket[/prefix]"),
        ("OPENSKY_LAKE", "~nobody-of-this-name/lake", "there is no home folder for ~nobody-of-this-name"),
    ],
)
def test_a_place_that_cannot_be_one(tmp_path: Path, setting: str, value: str, said: str) -> None:
    line = the_line(opensky_assets(tmp_path, "plan", **{setting: value}))
    assert said in line and f"{setting}={value!r}" in line
    assert list(tmp_path.iterdir()) == []


def test_a_tilde_is_the_home_folder(tmp_path: Path) -> None:
    """As in a shell, which does not look into .env."""
    (tmp_path / ".env").write_text("OPENSKY_LAKE=~/lake\nOPENSKY_SOURCE=~/bucket\nOPENSKY_WAREHOUSE=~/w.duckdb\n")
    assert f"there is no lake at {tmp_path / 'home' / 'lake'}" in the_line(opensky_assets(tmp_path, "sql", "SELECT 1"))
    assert str(tmp_path / "home" / "bucket") in the_line(opensky_assets(tmp_path, "plan"))


@pytest.mark.parametrize("arguments", [("sql", "FROM routes"), ("tables",)])
def test_a_folder_without_a_lake(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    line = the_line(opensky_assets(tmp_path, *arguments))
    assert f"there is no lake at {tmp_path / 'data' / 'lake'}: name another one (OPENSKY_LAKE" in line
    assert list(tmp_path.iterdir()) == []


def test_connect_in_a_folder_without_a_lake(tmp_path: Path) -> None:
    code = "import opensky_assets\nopensky_assets.connect()"
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    last = done.stderr.splitlines()[-1]
    assert f"there is no lake at {tmp_path / 'data' / 'lake'}: name another one" in last
    assert list(tmp_path.iterdir()) == []


def test_a_misspelt_setting_is_warned_of_with_its_place_and_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENSKY_LAEK=lake\n")
    done = opensky_assets(tmp_path, "status", OPENSKY_SORUCE="bucket", OPENSKY_XYZ="1", OPENSKY_YEAR="2022")
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "opensky-assets: warning: OPENSKY_LAEK in .env is not a setting and has no effect; did you mean OPENSKY_LAKE?",
        "opensky-assets: warning: OPENSKY_SORUCE is not a setting and has no effect; did you mean OPENSKY_SOURCE?",
        "opensky-assets: warning: OPENSKY_XYZ is not a setting and has no effect; `opensky-assets doctor` checks the "
        "settings",
    ]


@pytest.fixture
def small_lake(tmp_path: Path) -> Path:
    from opensky_assets_tests.lakes import LocalLake, publish_airports

    lake = LocalLake.at(tmp_path / "data" / "lake")
    lake.claim("file:///bucket", "real")
    publish_airports(lake)
    return tmp_path


def test_a_file_that_cannot_be_written_or_a_format_that_is_unknown(small_lake: Path) -> None:
    query = ("sql", "SELECT icao FROM airports ORDER BY icao LIMIT 2")
    no_folder = the_line(opensky_assets(small_lake, *query, "--out", "answers/a.csv"))
    assert "--out answers/a.csv: there is no folder answers; make it, or name another" in no_folder
    assert "did you mean .parquet?" in the_line(opensky_assets(small_lake, *query, "--out", "a.parqet"))
    assert "did you mean json?" in the_line(opensky_assets(small_lake, *query, "--format", "jsn"), code=2)
    assert "Did you mean airports?" in the_line(opensky_assets(small_lake, "sql", "FROM airprots"))
    assert "did you mean airports?" in the_line(opensky_assets(small_lake, "tables", "airprots"))
    (small_lake / "home").mkdir()
    done = opensky_assets(small_lake, *query, "--out=~/a.csv")
    assert done.returncode == 0 and (small_lake / "home" / "a.csv").is_file()


def test_a_reason_that_is_unknown(tmp_path: Path) -> None:
    line = the_line(opensky_assets(tmp_path, "replay-quarantine", "--reason", "null_keys"), code=2)
    assert "did you mean null_key?" in line and "over_quarantine_limit" in line


def test_an_endpoint_of_the_probe_without_a_scheme(tmp_path: Path) -> None:
    line = the_line(opensky_assets(tmp_path, "probe", "--endpoint", "s3.opensky-network.org"))
    assert "--endpoint 's3.opensky-network.org': must begin with http:// or https://" in line
