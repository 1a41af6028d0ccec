"""Spark over a lake in a bucket: what it gives is what the engine of this machine puts into a folder."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from opensky_assets.sources.simulate import simulate
from opensky_assets_tests.buckets import files_of
from opensky_assets_tests.services.conftest import SECRET_KEY, S3Server
from opensky_assets_tests.services.engines import ENRICHED, assert_same_rows, chain, references
from opensky_assets_tests.services.places import AnonymousSource, finish, plain, settings_of, start

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

TODAY = date(2022, 7, 1)
DAYS = ["2022-06-25", "2022-06-26"]
DAILY = ("raw_flights", "raw_state_vectors", "flights", *ENRICHED)
SPARK = {"OPENSKY_ENGINE": "spark", "OPENSKY_SPARK_MASTER": "local[2]", "OPENSKY_SPARK_MEMORY": "1g"}
LIMIT = 0.5
"""Of broken records: small tables of aircraft have every defect too."""


def test_a_lake_in_a_bucket_gets_the_same_rows_from_spark(
    s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Dagster's command line. Enriched files come in pieces from the executors, which the driver completes."""
    source = tmp_path / "bucket"
    simulate(source, start=date(2022, 6, 25), days=2, aircraft=60, seed=3, states_hours=3)
    uri = s3_server.bucket("for-spark", source, acl="public-read")
    place = AnonymousSource(
        source, tmp_path / "spark", s3_server, s3_server.bucket("lake-of-spark") + "/below/here", uri
    )
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    chain(settings_of(uri, str(tmp_path / "folder"), s3_server.endpoint, quarantine_limit=LIMIT), DAYS, TODAY)
    lake = references(settings_of(uri, place.lake_uri, s3_server.endpoint, quarantine_limit=LIMIT), TODAY)
    said = finish(start(place, DAILY, f"{DAYS[0]}...{DAYS[1]}", **SPARK))

    fetched = tmp_path / "fetched"
    tops = ("raw", "quarantine", "reference")
    for file in [file for top in (*tops, "core") for file in lake.files.walk(top)]:
        copy = fetched / (plain(file.path) if file.path.startswith(tops) else file.path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(lake.files.read(file.path))
    assert files_of(fetched, *tops) == files_of(tmp_path / "folder", *tops) != {}
    for table in ENRICHED:
        assert_same_rows(tmp_path / "folder", fetched, table)
    assert "Uploads" not in s3_server.client().list_multipart_uploads(Bucket="lake-of-spark")
    assert SECRET_KEY not in said
    for path in place.folder.rglob("*"):
        assert not path.is_file() or SECRET_KEY.encode() not in path.read_bytes(), path
