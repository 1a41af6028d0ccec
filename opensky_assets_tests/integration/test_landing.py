"""A lake reads its source and its landing as one, and neither for the other."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from opensky_assets.calendar import calendar
from opensky_assets.ingest.arrivals import look
from opensky_assets.ingest.plan import is_vanished, make_plan
from opensky_assets.ingest.slots import slots_of
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import LakeError
from opensky_assets.schemas import FLIGHTS, STATE_VECTORS
from opensky_assets.settings import Settings, load_settings
from opensky_assets.sources.claims import claim
from opensky_assets.sources.keys import source_kind
from opensky_assets.storage.errors import SourceError
from opensky_assets.storage.landing import LANDING, open_landing, open_stores
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests.lakes import LocalLake

DAY, TODAY = "2025-09-25", date(2025, 10, 1)
NOW = datetime(2025, 10, 1, 12, tzinfo=UTC)
POLL = "states/2025-09-25/states_europe_1758797276_0a1b2c3d.json.gz"
FLIGHTS_KEY = "flights_api/2025-09-24/flights_all_2025-09-24T10.json.gz"
STATE = ["4b1801", "SWR1    ", "Switzerland", 1758797270, 1758797271, 8.5, 47.4, 3000, False, 150, 90, 0, None, 3100]


def answer(count: int) -> bytes:
    states = [[f"4b18{at:02x}", *STATE[1:], "1000", False, 0, 3] for at in range(count)]
    return gzip.compress(json.dumps({"time": 1758797276, "states": states}).encode(), mtime=0)


def flights() -> bytes:
    record = {"icao24": "4b1801", "firstSeen": 1758700000, "lastSeen": 1758706000, "callsign": "SWR1"}
    return gzip.compress(json.dumps([record]).encode(), mtime=0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "bucket").mkdir()
    places = {name: str(tmp_path / name) for name in ("lake", "landing")}
    return load_settings(source=str(tmp_path / "bucket"), **places)


def sync(settings: Settings, contract: object = STATE_VECTORS, day: str = DAY) -> int:
    lake = LocalLake.at(Path(settings.lake.uri))
    done = sync_days(contract, [day], open_stores(settings), lake, settings, TODAY, lambda text: None)  # type: ignore[arg-type]
    assert done.messages == []
    return sum(manifest.total.written for manifest in done.read)


def test_without_a_landing_the_source_is_read_as_ever(settings: Settings) -> None:
    assert isinstance(open_stores(settings), LocalStore)
    Path(settings.landing.uri).mkdir()  # a folder that is no landing
    assert isinstance(open_stores(settings), LocalStore)
    sync(settings)
    text = (Path(settings.lake.uri) / "_manifest" / "source.json").read_text()
    assert json.loads(text) == {"uri": open_stores(settings).uri, "kind": "real"}


def test_objects_of_both_count_and_manifests_name_their_store(settings: Settings) -> None:
    source, lake = LocalStore(Path(settings.source.uri)), LocalLake.at(Path(settings.lake.uri))
    source.put(POLL, answer(3))
    source.put(FLIGHTS_KEY, flights())
    assert sync(settings) == 3
    landing = open_landing(settings)
    assert landing.put(POLL, answer(5))  # the same key in the other store is another object
    assert sync(settings) == 5
    assert sync(settings, FLIGHTS, "2025-09-24") == 1
    stores = open_stores(settings)
    manifests = lake.manifests(STATE_VECTORS.name)
    assert {key: m.source_uri for key, m in manifests.items()} == {POLL: source.uri, LANDING + POLL: landing.uri}
    claimed = json.loads((lake.root / "_manifest" / "source.json").read_text())
    assert claimed == {"uri": source.uri, "kind": "real", "landing": landing.uri}
    plan = make_plan(stores, lake, settings, TODAY)
    assert {o.source.key: o.status for o in plan.objects} == dict.fromkeys(
        [POLL, LANDING + POLL, FLIGHTS_KEY], "unchanged"
    )
    assert (plan.unrecognised, plan.vanished) == ({}, ())
    assert lake.broken_keys(STATE_VECTORS.name) == set()


def test_the_sensor_sees_what_is_landed(settings: Settings) -> None:
    lake = LocalLake.at(Path(settings.lake.uri))
    cursor = look(open_stores(settings), lake, settings, NOW, None).cursor
    open_landing(settings).put(POLL, answer(2))
    found = look(open_stores(settings), lake, settings, NOW, cursor)
    assert [run.first for run in found.asked] == [DAY]
    assert slots_of(open_stores(settings), calendar(TODAY))[1:] == (2, 2)
    sync(settings)
    assert look(open_stores(settings), lake, settings, NOW, found.cursor).asked == ()


def test_an_object_that_was_removed_from_the_landing_has_vanished(settings: Settings) -> None:
    lake = LocalLake.at(Path(settings.lake.uri))
    open_landing(settings).put(POLL, answer(2))
    sync(settings)
    (Path(settings.landing.uri) / POLL).unlink()
    stores = open_stores(settings)
    plan = make_plan(stores, lake, settings, TODAY)
    assert [m.source.key for m in plan.vanished] == [LANDING + POLL]
    assert is_vanished(LANDING + POLL, plan.listed, stores.left_out())
    claim(lake, stores)  # emptied, it is still there


def test_a_landing_that_is_not_there_is_missed_before_anything_else(settings: Settings, tmp_path: Path) -> None:
    lake = LocalLake.at(Path(settings.lake.uri))
    open_landing(settings).put(POLL, answer(2))
    sync(settings)
    Path(settings.landing.uri).rename(tmp_path / "elsewhere")
    with pytest.raises(LakeError, match=r"landing file:\S+, which is not there now: set OPENSKY_LANDING back"):
        claim(lake, open_stores(settings))
    other = load_settings(source=settings.source.uri, lake=settings.lake.uri, landing=str(tmp_path / "other"))
    open_landing(other)
    with pytest.raises(LakeError, match=r"not of file:\S+/other"):
        claim(lake, open_stores(other))


def test_a_source_that_is_not_mounted_is_noticed_beside_a_landing(settings: Settings) -> None:
    source, lake = LocalStore(Path(settings.source.uri)), LocalLake.at(Path(settings.lake.uri))
    source.put(POLL, answer(3))
    open_landing(settings).put(POLL, answer(2))
    sync(settings)
    (source.root / POLL).unlink()
    (source.root / "states" / DAY).rmdir()
    for attempt in (make_plan, lambda *of: look(*of[:3], NOW, None)):
        with pytest.raises(SourceError, match="lists no object, but the lake has 1 object of it"):
            attempt(open_stores(settings), lake, settings, TODAY)  # type: ignore[operator]


@pytest.mark.parametrize("simulated", ["source", "landing"])
def test_simulated_and_real_do_not_go_together(settings: Settings, simulated: str) -> None:
    open_landing(settings).put(POLL, answer(2))
    folder = settings.source.uri if simulated == "source" else settings.landing.uri
    (Path(folder) / "SIMULATED.txt").write_text("")
    with pytest.raises(
        SourceError, match=r"the landing \S+ is \w+ and the source \S+ is \w+, and a lake holds one kind"
    ):
        claim(LocalLake.at(Path(settings.lake.uri)), open_stores(settings))
    (Path(settings.source.uri) / "SIMULATED.txt").write_text("")
    (Path(settings.landing.uri) / "SIMULATED.txt").write_text("")
    assert source_kind(open_stores(settings)) == "simulated"


def test_places_that_lie_in_each_other_are_refused(tmp_path: Path) -> None:
    bucket = str(tmp_path / "bucket")
    for landing in (bucket, f"{bucket}/landing", str(tmp_path)):
        with pytest.raises(SourceError, match="overlap, so that objects would count twice"):
            open_landing(load_settings(source=bucket, lake=str(tmp_path / "lake"), landing=landing))
    with pytest.raises(SourceError, match="OPENSKY_LANDING='gs://x': must be a folder"):
        open_landing(load_settings(landing="gs://x"))


def test_a_landing_in_a_bucket_beside_a_source_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from moto.server import ThreadedMotoServer

    from opensky_assets.storage.s3 import S3Place

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    s3 = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    s3.start()
    try:
        host, port = s3.get_host_and_port()
        (tmp_path / "bucket").mkdir()
        there = {"landing_endpoint": f"http://{host}:{port}", "landing_region": "us-east-1"}
        settings = load_settings(
            source=str(tmp_path / "bucket"), lake=str(tmp_path / "lake"), landing="s3://polls/own", **there
        )
        with pytest.raises(SourceError, match=r"check OPENSKY_LANDING and OPENSKY_LANDING_ENDPOINT"):
            open_landing(settings)
        S3Place("polls", "", *there.values()).client().create_bucket(Bucket="polls")
        assert isinstance(open_stores(settings), LocalStore)
        for _ in range(2):
            assert open_landing(settings).put(POLL, answer(4))
        assert sync(settings) == 4
        lake = LocalLake.at(tmp_path / "lake")
        assert [m.source_uri for m in lake.manifests(STATE_VECTORS.name).values()] == ["s3://polls/own"]
    finally:
        s3.stop()
