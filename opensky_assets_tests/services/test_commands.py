"""Dagster's own commands and the project's, as typed into a shell, in turn over one lake and one history."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from opensky_assets.definitions import build_definitions
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas.tables import project
from opensky_assets.sources.simulate import simulate
from opensky_assets_tests.commands import ROOT, Place
from opensky_assets_tests.flight_lists import flight, write_list
from opensky_assets_tests.services.running import place_with

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

FIRST = date(2022, 6, 1)
DAYS = [(FIRST + timedelta(days=n)).isoformat() for n in range(30)]
MODULE = ("-m", "opensky_assets.definitions")


@dataclass(frozen=True)
class Shell:
    """A shell in the checkout, with the settings of a place and its history."""

    place: Place

    def __call__(self, program: str, *arguments: str) -> str:
        """What the command prints; it must end well."""
        done = subprocess.run(
            [Path(sys.executable).with_name(program), *arguments],
            cwd=ROOT,
            env=self.place.environment() | {"DAGSTER_HOME": str(self.place.home)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def rows(self, table: str) -> dict[str, int]:
        """By day, what the lake has of a table."""
        files = f"read_parquet('{self.place.lake}/{table}/*/*.parquet', hive_partitioning = true)"
        return dict(duckdb.sql(f"SELECT day::varchar, count() FROM {files} GROUP BY 1 ORDER BY 1").fetchall())


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("commands")
    simulate(folder / "bucket", start=FIRST, days=len(DAYS), aircraft=150, seed=5, states_hours=1)
    place = place_with(folder / "work", folder / "bucket")
    assert place.run("home").stdout == f"{place.home}\n"
    yield Shell(place)


def test_dg_and_dagster_list_the_same_assets(shell: Shell) -> None:
    expected = {key.to_user_string() for key in build_definitions(OpenSkyResource()).resolve_all_asset_keys()}
    listed = json.loads(shell("dg", "list", "defs", "--json"))
    assert {asset["asset_key"] for asset in listed["assets"]} == expected
    # Dagster lists what a run can make: not the models between, which are there to be seen.
    between = {model.name for model in project().staging}
    assert set(shell("dagster", "asset", "list", *MODULE).split()) == expected - between


def test_a_day_by_dagster_and_a_day_by_dg_and_the_rest_by_backfill(shell: Shell) -> None:
    bucket = shell.place.source
    listed = {day: 0 for day in DAYS}
    for path in (bucket / "flights").glob("*.csv.gz"):
        for line in gzip.decompress(path.read_bytes()).decode(errors="replace").splitlines():
            for day in DAYS:
                listed[day] += f",{day} 00:00:00+00:00," in line
    shell("dagster", "asset", "materialize", *MODULE, "--select", "aircraft_database,airports")
    daily = "raw_flights,flights,enriched_flights"
    shell("dagster", "asset", "materialize", *MODULE, "--select", daily, "--partition", DAYS[0])
    assert set(shell.rows("core/enriched_flights")) == {DAYS[0]}
    shell("dg", "launch", "--assets", daily, "--partition", DAYS[1])
    assert set(shell.rows("core/enriched_flights")) == {DAYS[0], DAYS[1]}

    done = shell.place.run("backfill", "--from", DAYS[0], "--to", DAYS[-1])
    assert done.returncode == 0, done.stdout
    # Of all days something is missing still: the marts.
    assert "30 days have objects, 30 of them are missing: 1 run" in done.stdout
    for table in ("raw/flights", "core/enriched_flights", "marts/routes", "marts/data_quality_daily"):
        assert list(shell.rows(table)) == DAYS, table
    assert list(shell.rows("core/enriched_state_vectors")) == DAYS[:1]
    enriched = shell.rows("core/enriched_flights")
    assert enriched == shell.rows("raw/flights")
    # A few of the listed records are spoilt by the simulation, and stand in quarantine.
    assert all(0.9 * listed[day] <= enriched[day] <= listed[day] for day in DAYS)


def test_a_tick_of_the_sensor_asks_for_what_arrived_since(shell: Shell) -> None:
    preview = ("dagster", "sensor", "preview", *MODULE, "arrivals")
    assert "none new or changed" in shell(*preview)
    write_list(shell.place.source, "2022-07-05", "2022-07-05", [flight("2022-07-05")])
    assert "run requests for 1 run(s)" in shell(*preview)
