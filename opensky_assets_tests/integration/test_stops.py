"""Killed, or stopped for longer than a lease, at random moments: the lake of runs that nobody disturbed."""

from pathlib import Path

import pytest

from opensky_assets_tests.disturbed import check_disturbed
from opensky_assets_tests.lakes import LocalLake

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

KILLS, STOPS = 20, 10


def test_kills_and_stops_of_all_who_write_leave_the_lake_of_the_source(tmp_path: Path) -> None:
    check_disturbed(tmp_path, LocalLake.at(tmp_path / "lake"), KILLS, STOPS, 20200101, print)
