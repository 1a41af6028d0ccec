"""As integration/test_stops.py, over a bucket: a run that was stopped finds its leases over and others at work."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from opensky_assets.lake import Lake
from opensky_assets.lake.lake import lake_place
from opensky_assets.storage.s3 import S3Place
from opensky_assets.storage.s3_files import S3Files
from opensky_assets_tests.disturbed import LEASE_S, check_disturbed
from opensky_assets_tests.services.conftest import S3Server
from opensky_assets_tests.services.places import settings_of

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

KILLS, STOPS, PAUSE_S = 20, 10, 0.9


def lake_of(server: S3Server) -> Lake:
    uri = server.bucket(f"stops-{uuid.uuid4().hex[:12]}") + "/lake"
    place = lake_place(settings_of("-", uri, server.endpoint))
    assert isinstance(place, S3Place)
    return Lake(S3Files(place, LEASE_S))


def test_kills_and_stops_of_all_who_write_leave_the_lake_of_the_source(
    s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    check_disturbed(tmp_path, lake_of(s3_server), KILLS, STOPS, 20200101, print, s3_server.environment, 15, PAUSE_S)
