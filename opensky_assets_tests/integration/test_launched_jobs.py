"""`dg launch` of the jobs, as docs/automation.md has it: a range of days is one run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from opensky_assets_tests.commands import ROOT, Place
from opensky_assets_tests.flight_lists import flight, write_aircraft, write_list

pytestmark = pytest.mark.slow

DAYS = ["2022-06-25", "2022-06-27"]


@pytest.mark.timeout(600)
def test_a_range_of_the_pipeline_is_one_run_and_monitoring_finds_it_sound(tmp_path: Path) -> None:
    place = Place(tmp_path / "bucket", tmp_path)
    write_aircraft(place.source)
    for day in DAYS:
        write_list(place.source, day, day, [flight(day)])
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())

    def launch(*arguments: str) -> None:
        command = [Path(sys.executable).with_name("dg"), "launch", *arguments]
        environment = place.environment() | {"DAGSTER_HOME": str(home)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    launch("--assets", "group:reference")
    launch("--job", "opensky_data_pipeline", "--partition-range", "...".join(DAYS))
    launch("--job", "opensky_monitoring")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        runs = instance.get_runs()
        assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * 3
        assert [run.job_name for run in runs[:2]] == ["opensky_monitoring", "opensky_data_pipeline"]
        assert instance.get_materialized_partitions(dg.AssetKey("raw_flights")) == set(DAYS)
        assert instance.get_materialized_partitions(dg.AssetKey("routes")) == set(DAYS)
        assert instance.get_latest_materialization_event(dg.AssetKey("lake_verification")) is not None


def test_the_job_of_the_api_says_which_credentials_it_lacks(tmp_path: Path) -> None:
    """Not that there is no job of that name."""
    place = Place(tmp_path / "bucket", tmp_path)
    write_aircraft(place.source)
    command = [Path(sys.executable).with_name("dg"), "launch", "--job", "api_flights", "--partition", DAYS[0]]
    environment = place.environment() | {"DAGSTER_HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "needs credentials: set OPENSKY_CLIENT_ID and OPENSKY_CLIENT_SECRET" in done.stderr + done.stdout
