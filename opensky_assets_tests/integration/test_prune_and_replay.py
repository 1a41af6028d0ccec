"""`prune` and `replay-quarantine` as a user calls them: the lake, what is made of it, and what they say."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from opensky_assets.ingest.reference import sync_aircraft
from opensky_assets.ingest.sync import sync_days
from opensky_assets.schemas import FLIGHTS
from opensky_assets.settings import load_settings
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests.commands import Place
from opensky_assets_tests.flight_lists import flight, write_aircraft, write_list
from opensky_assets_tests.lakes import LocalLake, publish_airports

pytestmark = pytest.mark.slow

DAYS = ("2020-01-01", "2020-01-02")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Two days, the second with one bad line of three, which the limit holds back."""
    bucket = tmp_path / "bucket"
    write_aircraft(bucket)
    write_list(bucket, DAYS[0], DAYS[0], [flight(DAYS[0], hour=hour) for hour in (5, 6)])
    write_list(bucket, DAYS[1], DAYS[1], [*(flight(DAYS[1], hour=hour) for hour in (5, 6)), "one,field,too,few"])
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "dagster.yaml").write_bytes((Path(__file__).resolve().parents[2] / "dagster.yaml").read_bytes())
    return Place(bucket, folder)


def fill(place: Place) -> LocalLake:
    """The lake as `materialize` has it, but for the marts; a run of dbt takes longer than all the rest."""
    store, lake, today = LocalStore(place.source), LocalLake.at(place.lake), date(2020, 2, 1)
    sync_aircraft(store, lake, load_settings(), today, lambda text: None)
    publish_airports(lake)
    sync_days(FLIGHTS, DAYS, store, lake, load_settings(), today, lambda text: None)
    return lake


def departures(place: Place) -> dict[str, int]:
    """Flights of the routes by day, as a user of the warehouse sees them."""
    with duckdb.connect(str(place.warehouse), read_only=True) as duck:
        return dict(duck.execute("SELECT day::VARCHAR, sum(flights)::INT FROM routes GROUP BY day").fetchall())


def test_a_lifted_limit_and_then_a_vanished_object(place: Place) -> None:
    lake = fill(place)
    assert (lake.days("raw/flights"), len(lake.held("flights"))) == ([DAYS[0]], 1)

    replayed = place.run("replay-quarantine", "--table", "flights", OPENSKY_QUARANTINE_LIMIT="0.5")
    assert replayed.returncode == 0, replayed.stdout
    assert "flights: 1 object read again; written 0 before, 2 now; quarantined 1 before, 1 now" in replayed.stdout
    assert "over_quarantine_limit: 1 before, 0 now" in replayed.stdout
    assert departures(place)[DAYS[1]] == 2

    assert "0 files and folders, 0 bytes" in place.run("prune").stdout
    next((place.source / "flights").glob("*20200101_*")).unlink()
    assert "0 files and folders, 0 bytes" in place.run("prune").stdout, "not without being asked"
    shown = place.run("prune", "--vanished", "--dry-run")
    assert "bytes would be removed" in shown.stdout and "flights would lose rows of 1 day: 2020-01-01" in shown.stdout
    assert lake.days("raw/flights") == [*DAYS]

    pruned = place.run("prune", "--vanished")
    assert pruned.returncode == 0, pruned.stdout
    assert "bytes removed" in pruned.stdout
    assert lake.days("raw/flights") == lake.days("core/enriched_flights") == lake.days("marts/routes") == [DAYS[1]]
    assert departures(place) == {DAYS[1]: 2}


def test_an_empty_listing_is_not_taken_for_a_vanished_source(place: Place) -> None:
    lake = fill(place)
    for path in [path for path in place.source.rglob("*") if path.is_file()]:
        path.unlink()
    refused = place.run("prune", "--vanished")
    assert refused.returncode == 1 and "lists no object" in refused.stdout and "--yes" in refused.stdout
    for command in ("plan", "materialize"):
        done = place.run(command, *(() if command == "plan" else ("--from", DAYS[0], "--to", DAYS[0])))
        assert done.returncode == 1 and "lists no object, but the lake has 1 object" in done.stdout
    assert lake.days("raw/flights") == [DAYS[0]]
    pruned = place.run("prune", "--vanished", "--yes")
    assert "bytes removed" in pruned.stdout and lake.days("raw/flights") == []
