"""What a command prints of the checks of its runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from opensky_assets_tests.commands import Place
from opensky_assets_tests.flight_lists import flight, write_aircraft, write_list

pytestmark = pytest.mark.slow

DAYS = ["2022-06-20", "2022-06-21", "2022-06-25"]


def lines(output: str) -> list[str]:
    """What is said of checks."""
    return [line for line in output.splitlines() if line.startswith("check  ") or "checks passed" in line]


def test_a_check_that_warns_is_said_once_with_its_days(tmp_path: Path) -> None:
    place = Place(tmp_path / "bucket", tmp_path)
    write_aircraft(place.source)
    for day, repeats in zip(DAYS, (2, 1, 3), strict=True):  # two stretches of days, so two runs
        write_list(place.source, day, day, [flight(day)] * repeats)
    done = place.run("materialize", "--from", DAYS[0], "--to", DAYS[-1])
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("$ dagster asset materialize") >= 3
    assert lines(done.stdout) == [
        "check  unique_key of raw_flights warns: 2 of 3 days unusual: 2022-06-20 1 row, 2022-06-25 2 rows"
    ]

    for day in DAYS:
        write_list(place.source, day, day, [flight(day, hour=9)])
    done = place.run("materialize", "--from", DAYS[0], "--to", DAYS[-1])
    (line,) = lines(done.stdout)
    assert line.startswith("all ") and int(line.split()[1]) > 5

    # Nothing ran: nothing is said, least of all of the runs before.
    assert lines(place.run("backfill", "--from", DAYS[0], "--to", DAYS[-1]).stdout) == []


def test_a_check_that_fails_is_said_with_its_objects(tmp_path: Path) -> None:
    place = Place(tmp_path / "bucket", tmp_path)
    write_aircraft(place.source)
    path = write_list(place.source, DAYS[0], DAYS[0], [flight(DAYS[0])] * 50)
    path.write_bytes(path.read_bytes()[:-20])
    done = place.run("materialize", "--from", DAYS[0], "--to", DAYS[0])
    assert done.returncode == 1
    (line,) = lines(done.stdout)
    told = (
        f"check  nothing_held_back of raw_flights fails: days: {DAYS[0]}; objects: flights/{path.name}: does not unpack"
    )
    assert line.startswith(told)
