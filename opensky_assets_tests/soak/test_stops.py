"""Many kills and stops of all who write at once, in a folder and in a bucket."""

from __future__ import annotations

from pathlib import Path

import pytest

from opensky_assets_tests.disturbed import check_disturbed
from opensky_assets_tests.lakes import LocalLake
from opensky_assets_tests.services.conftest import S3Server, s3_server
from opensky_assets_tests.services.test_stops import PAUSE_S, lake_of
from opensky_assets_tests.soak.test_counts import say

__all__ = ["s3_server"]

pytestmark = [pytest.mark.soak, pytest.mark.timeout(0)]

KILLS, STOPS = 200, 100


def test_in_a_folder(tmp_path: Path) -> None:
    check_disturbed(tmp_path, LocalLake.at(tmp_path / "lake"), KILLS, STOPS, 100, say)


def test_in_a_bucket(s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    check_disturbed(tmp_path, lake_of(s3_server), KILLS, STOPS, 100, say, s3_server.environment, pause_s=PAUSE_S)
