"""A lake that version 0.1.0 wrote (fixtures/lake_0_1_0.tar.gz, its source beside it) is read, verified and goes on.

It has a flight list, an answer of the API of whose flights that version dropped those on the list's day, two hours of
states, an aircraft table, and all that was made of them. Its airports and reports were left out, to keep it small.
"""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest

from opensky_assets.ingest.plan import Status, make_plan
from opensky_assets.lake.columns import read_whole_tables
from opensky_assets.lake.connect import connect
from opensky_assets.settings import Settings
from opensky_assets.storage.objects import LocalStore
from opensky_assets.transforms.verify import verify
from opensky_assets_tests.buckets import TODAY
from opensky_assets_tests.commands import Place
from opensky_assets_tests.lakes import LocalLake

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "lake_0_1_0.tar.gz"
DAYS = ("--from", "2022-06-25", "--to", "2022-06-26")
ANSWER = "flights_api/2022-06-25/flights_all_2022-06-25T22.json"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path, filter="data")
    bucket = tmp_path / "bucket"
    for record in (tmp_path / "lake" / "_manifest").rglob("*.json"):
        record.write_text(record.read_text().replace("file://@BUCKET@", bucket.as_uri()))
    for manifest in (tmp_path / "lake" / "_manifest").glob("*/*.json"):
        source = json.loads(manifest.read_text())["source"]
        size, _, mtime_ns = source["etag"].partition("-")
        path = bucket / source["key"]
        assert path.stat().st_size == int(size)
        os.utime(path, ns=(int(mtime_ns), int(mtime_ns)))
    return Place(bucket, tmp_path)


def test_it_is_read_and_verified_as_it_is(place: Place) -> None:
    lake = LocalLake.at(place.lake)
    found = verify(lake)
    assert (found.objects, found.problems, found.due, found.strays) == (5, [], {}, [])
    with connect(lake) as duck:
        counts = {
            table: duck.execute(f"SELECT count(*) FROM {table}").fetchone()
            for table in ("raw_flights", "enriched_flights", "raw_state_vectors", "enriched_state_vectors")
        }
        names = "SELECT count(operator) > 0, count(operator_name) FROM enriched_flights"
        assert duck.execute(names).fetchone() == (True, 0)
    assert counts == {
        "raw_flights": (23,),
        "enriched_flights": (23,),
        "raw_state_vectors": (80,),
        "enriched_state_vectors": (80,),
    }


def test_only_the_answer_whose_rows_were_dropped_is_read_again(place: Place) -> None:
    lake = LocalLake.at(place.lake)
    plan = make_plan(LocalStore(place.source), lake, Settings(_env_file=None), TODAY)
    status = {planned.source.key: planned.status for planned in plan.objects}
    assert status.pop(ANSWER) is Status.CHANGED
    assert {*status.values()} <= {Status.OUTDATED, Status.UNCHANGED}


def test_rows_that_cannot_be_read_again_are_named(place: Place) -> None:
    (place.source / ANSWER).unlink()
    told = place.run("plan").stdout
    assert f"an older version left out, and that cannot be read again: {ANSWER}: 2" in told


@pytest.mark.slow
def test_it_goes_on_without_reading_everything_again(place: Place) -> None:
    lake = LocalLake.at(place.lake)
    old = {path: path.read_bytes() for path in place.lake.glob("raw/*/*/*.parquet")}
    records = (place.lake / "_manifest").glob("*/*.json")
    manifests = {path: path.read_text() for path in records if path.parent.name != "aircraft_database"}
    done = place.run("backfill", *DAYS, OPENSKY_QUARANTINE_LIMIT="0.5")
    assert done.returncode == 0, done.stdout[-3000:]
    written = [path.name for path, text in manifests.items() if path.read_text() != text]
    assert written == [f"{lake.manifests('flights')[ANSWER].source.key_hash}.json"]
    kept = {path for path in old if path.exists()}
    assert {path.name.rsplit("-", 1)[0] for path in set(old) - kept} == {"flights_all_2022-06-25T22"}
    assert all(path.read_bytes() == old[path] for path in kept)
    manifest = lake.manifests("flights")[ANSWER]
    assert (manifest.total.written, manifest.total.superseded) == (3, 0)
    found = verify(lake)
    assert (found.problems, found.due, found.strays) == ([], {}, [])
    with connect(lake) as duck:
        flights = duck.execute("SELECT origin_kind, count(*) FROM flights GROUP BY 1 ORDER BY 1").fetchall()
        assert duck.execute("SELECT count(*), count(operator_name) > 0 FROM enriched_flights").fetchone() == (25, True)
    assert read_whole_tables(lake).keys() == {"core/enriched_flights", "core/enriched_state_vectors"}
    assert flights == [("api", 3), ("list", 22)]
    again = place.run("backfill", *DAYS, OPENSKY_QUARANTINE_LIMIT="0.5")
    assert "2 days have objects, 0 of them are missing: 0 runs" in again.stdout, again.stdout[-2000:]
