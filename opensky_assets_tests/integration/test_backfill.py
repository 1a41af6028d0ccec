"""`opensky-assets backfill`: many days by one command, interrupted and resumed."""

from __future__ import annotations

import os
import re
import signal
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from pathlib import Path

import dagster as dg
import pytest

from opensky_assets.calendar import chunks_of
from opensky_assets.sources.simulation.bucket import simulate
from opensky_assets_tests.commands import ROOT, Place
from opensky_assets_tests.flight_lists import flight, write_aircraft, write_list

FIRST = date(2020, 1, 1)


def days(count: int) -> list[str]:
    return [(FIRST + timedelta(days=n)).isoformat() for n in range(count)]


def place_in(folder: Path) -> Place:
    work = folder / "work"
    work.mkdir()
    (work / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    # The environment wins, also in the runs: Dagster's own command puts this file over it.
    (work / ".env").write_text(f"OPENSKY_LAKE={folder / 'another'}\n")
    return Place(folder / "bucket", work)


def runs(place: Place) -> list[tuple[str, str]]:
    """The ranges of all runs over days, in the order they were started."""
    with dg.DagsterInstance.from_config(str(place.home)) as instance:
        found = [run.tags for run in reversed(instance.get_runs())]
    start, end = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
    return [(tags[start], tags[end]) for tags in found if start in tags]


def interrupt_after(place: Place, ended: int, *arguments: str, **environment: str) -> None:
    """Kill the command once so many of its runs have ended."""
    process = place.start("backfill", *arguments, **environment)
    assert process.stdout is not None
    for line in process.stdout:
        if re.match(rf"run {ended} of \d+ ended", line):
            break
    process.kill()
    process.communicate()


def peak_memory_mb(place: Place, asset: str, day: str) -> float:
    """Of the run that ended with this day."""
    with dg.DagsterInstance.from_config(str(place.home)) as instance:
        wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[day])
        record = instance.fetch_materializations(wanted, limit=1).records[0]
    assert record.asset_materialization is not None
    return float(record.asset_materialization.metadata["peak_memory_mb"].value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "size", "expected"),
    [
        ([], 3, []),
        (days(5), None, [("2020-01-01", "2020-01-05")]),
        (days(5), 2, [("2020-01-01", "2020-01-02"), ("2020-01-03", "2020-01-04"), ("2020-01-05", "2020-01-05")]),
        (days(20)[::7], 8, [("2020-01-01", "2020-01-08"), ("2020-01-15", "2020-01-15")]),
    ],
)
def test_chunks(given: list[str], size: int | None, expected: list[tuple[str, str]]) -> None:
    assert chunks_of(given, size) == expected


@pytest.mark.slow
def test_interrupted_and_resumed_only_the_rest_runs(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    write_aircraft(place.source)
    all_days = days(40)
    for day in all_days:
        write_list(place.source, day, day, [flight(day), flight(day, hour=14)])
    arguments = ("--from", all_days[0], "--to", all_days[-1], "--chunk", "14")
    interrupt_after(place, 1, *arguments)
    before = runs(place)
    assert before[0] == ("2020-01-01", "2020-01-14")

    resumed = place.run("backfill", *arguments)
    assert resumed.returncode == 0, resumed.stdout
    assert "40 days have objects, 26 of them are missing: 2 runs" in resumed.stdout
    assert "run 2 of 2 ended: 26 of 26 days" in resumed.stdout
    assert runs(place)[len(before) :] == [("2020-01-15", "2020-01-28"), ("2020-01-29", "2020-02-09")]

    with dg.DagsterInstance.from_config(str(place.home)) as instance:
        for asset in ("raw_flights", "enriched_flights", "routes", "data_quality_daily"):
            assert instance.get_materialized_partitions(dg.AssetKey(asset)) >= set(all_days)
    again = place.run("backfill", *arguments)
    assert "0 of them are missing" in again.stdout and "nothing to do" in again.stdout
    assert not (tmp_path / "another").exists()
    assert len(runs(place)) == len(before) + 2

    # A new object whose name does not tell its days is read, and these follow, with the day that its flights reach.
    day = (FIRST - timedelta(days=1)).isoformat()
    write_list(place.source, day, day, [flight(day)]).rename(place.source / "flights" / "export.csv.gz")
    told = place.run("backfill", "--from", day, "--to", all_days[-1])
    assert told.returncode == 0, told.stdout
    assert runs(place)[-2:] == [(all_days[-1], all_days[-1]), (day, all_days[0])]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("object to read", signal.SIGINT),
        ("Running dbt command", signal.SIGINT),
        ("Finished dbt command", signal.SIGTERM),
    ],
)
def test_an_interrupt_ends_the_command_and_starts_no_other_run(said: str, sent: int, tmp_path: Path) -> None:
    """As Ctrl-C in a terminal: to all processes at once, and some of them end before the command does."""
    place = place_in(tmp_path)
    write_aircraft(place.source)
    for day in ("2020-01-01", "2020-03-01"):
        write_list(place.source, day, day, [flight(day)])
    process = place.start("materialize", "--from", "2020-01-01", "--to", "2020-03-01", new_session=True)
    assert process.stdout is not None
    before = list(takewhile(lambda line: said not in line, process.stdout))
    os.killpg(process.pid, sent)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130, "".join(before) + rest
    assert "RUN_FAILURE" not in rest, "Ctrl-C is one line"
    assert "stopped; what is published stays" in rest and "$ dagster asset materialize" not in rest


@pytest.mark.soak
@pytest.mark.timeout(6 * 3600)
def test_a_simulated_year(tmp_path: Path) -> None:
    """365 days; interrupted at a third, then only the rest runs; the runs of one process need no more memory from one
    to the next, once the first has loaded dbt and what draws."""
    place = place_in(tmp_path)
    simulate(place.source, start=date(2021, 1, 1), days=365, aircraft=60, seed=7)
    print(f"{datetime.now(UTC):%H:%M:%S} simulated", flush=True)
    arguments = ("--from", "2021-01-01", "--to", "2021-12-31", "--chunk", "61")
    settings = {"OPENSKY_QUARANTINE_LIMIT": "0.5"}  # every defect stands once in small tables too
    interrupt_after(place, 2, *arguments, **settings)
    before = runs(place)
    print(f"{datetime.now(UTC):%H:%M:%S} interrupted after two of six runs", flush=True)
    resumed = place.run("backfill", *arguments, **settings)
    print(f"{datetime.now(UTC):%H:%M:%S} resumed and through", flush=True)
    assert resumed.returncode == 0, resumed.stdout
    assert "365 days have objects, 243 of them are missing: 4 runs" in resumed.stdout
    assert len(runs(place)) == len(before) + 4

    for asset in ("raw_state_vectors", "enriched_state_vectors", "enriched_flights"):
        peaks_mb = [peak_memory_mb(place, asset, last) for _, last in runs(place)[len(before) :]]
        print(f"{asset}: at most {', '.join(f'{peak:.0f}' for peak in peaks_mb)} MB in the resumed runs", flush=True)
        assert max(peaks_mb[1:]) < 1.1 * peaks_mb[1]
