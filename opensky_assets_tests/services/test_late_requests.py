"""A request of one writer is held on its way while others commit and sweep, and arrives after them: it harms nothing
that was committed meanwhile."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from opensky_assets.checks.raw import broken_laws
from opensky_assets.ingest.plan import RAW_TABLES, make_plan
from opensky_assets.ingest.reference import sync_aircraft
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import Lake, LakeError, open_lake
from opensky_assets.lake.prune import find, remove
from opensky_assets.schemas import FLIGHTS
from opensky_assets.settings import Settings
from opensky_assets.storage import s3_files
from opensky_assets.storage.objects import LocalStore
from opensky_assets.transforms.verify import verify
from opensky_assets_tests.flight_lists import flight, write_aircraft, write_list
from opensky_assets_tests.lakes import publish_airports
from opensky_assets_tests.services.conftest import S3Server
from opensky_assets_tests.services.engines import core
from opensky_assets_tests.services.holding_proxy import HoldingProxy
from opensky_assets_tests.services.places import settings_of

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DAY, TODAY = "2020-01-01", date(2020, 2, 1)
OTHER_DAY = "2020-01-02"
AT_ONCE_S = -5
"""Age from which on nothing is taken for what a living run is about to name; the store's clock has whole seconds."""

PUT_OF_DATA = ("PUT", rf"/raw/flights/day={DAY}/flightlist_20200101")
PUT_OF_MANIFEST = ("PUT", r"/_manifest/flights/\w+\.json$")
DELETE_OF_OLD = ("DELETE", rf"/raw/flights/day={DAY}/flightlist_20200101")
HELD_REQUESTS = [
    pytest.param(PUT_OF_DATA, id="put-of-data"),
    pytest.param(PUT_OF_MANIFEST, id="put-of-manifest"),
    pytest.param(DELETE_OF_OLD, id="delete-of-old"),
]


def write_version(bucket: Path, version: int) -> Path:
    """Version n has n flights, by n aircraft."""
    return write_list(bucket, DAY, DAY, [flight(DAY, f"4b18{n:02x}", hour=n) for n in range(1, version + 1)])


class Scene:
    """A source in a folder, a lake in a bucket, and a second object that nobody changes."""

    def __init__(self, server: S3Server, folder: Path) -> None:
        self.server, self.source = server, folder / "source"
        self.uri = server.bucket(f"late-{uuid.uuid4().hex[:12]}") + "/lake"
        write_list(self.source, OTHER_DAY, OTHER_DAY, [flight(OTHER_DAY)])
        write_aircraft(self.source)

    def settings(self, endpoint: str | None = None) -> Settings:
        return settings_of(str(self.source), self.uri, endpoint or self.server.endpoint)

    def lake(self, endpoint: str | None = None) -> Lake:
        return open_lake(self.settings(endpoint))

    def sync(self, endpoint: str | None = None) -> None:
        settings = self.settings(endpoint)
        days = [DAY, OTHER_DAY]
        sync_days(FLIGHTS, days, LocalStore(self.source), self.lake(endpoint), settings, TODAY, lambda text: None)

    def prune(self, endpoint: str | None = None) -> None:
        lake = self.lake(endpoint)
        vanished = make_plan(LocalStore(self.source), lake, self.settings(), TODAY).vanished
        remove(lake, find(lake, RAW_TABLES, vanished))

    def rows_named(self) -> int:
        lake = self.lake()
        paths = [lake.location(f.path) for m in lake.manifests(FLIGHTS.name).values() for f in m.files]
        with duckdb.connect() as connection:
            counted = lake.attach(connection).execute("SELECT count(*) FROM read_parquet(?)", [paths]).fetchone()
        assert counted is not None
        return int(counted[0])

    def assert_sound(self, version: int) -> None:
        """That the lake has this version of the object, and the other object, whole; `0`: that it has no version."""
        lake = self.lake()
        manifests = lake.manifests(FLIGHTS.name)
        by_key = {key.split("_")[1]: manifest.total.written for key, manifest in manifests.items()}
        assert by_key == ({"20200101": version} if version else {}) | {"20200102": 1}
        assert broken_laws(lake, list(manifests.values())) == []
        assert self.rows_named() == version + 1
        assert list(verify(lake).problems) == []
        assert lake.held(FLIGHTS.name) == {}

    def assert_swept(self, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """That the next run, late enough, leaves nothing but what manifests name."""
        monkeypatch.setattr(s3_files, "LEFTOVER_S", AT_ONCE_S)
        self.sync()
        self.assert_sound(version)
        lake = self.lake()
        there = {file.path for top in ("raw", "quarantine") for file in lake.files.walk(top)}
        assert there == lake.named(FLIGHTS.name)
        with duckdb.connect() as connection:
            everything = lake.pattern("raw/flights/*/*.parquet")
            counted = lake.attach(connection).execute("SELECT count(*) FROM read_parquet(?)", [everything]).fetchone()
        assert counted == (version + 1,)


class Late:
    """A writer in a thread of its own, one of whose requests is held; leaving the block lets it through and waits for
    the writer's end, which may be that another run was quicker."""

    def __init__(self, scene: Scene, request: tuple[str, str], work: Callable[[str], None]) -> None:
        self.proxy = HoldingProxy(scene.server.endpoint, *request)
        self.work, self.errors = work, list[BaseException]()
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.work(self.proxy.endpoint)
        except BaseException as error:
            self.errors.append(error)

    def __enter__(self) -> Late:
        self.proxy.__enter__()
        self.thread.start()
        self.proxy.held.wait()
        return self

    def __exit__(self, *error: object) -> None:
        self.proxy.held.released.set()
        self.thread.join(120)
        self.proxy.__exit__(None, None, None)
        assert not self.thread.is_alive()
        assert [e for e in self.errors if not isinstance(e, LakeError) or "run again" not in str(e)] == []


@pytest.fixture
def scene(s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    yield Scene(s3_server, tmp_path)


@pytest.mark.parametrize("swept", [False, True], ids=["", "swept"])
@pytest.mark.parametrize("request_held", HELD_REQUESTS)
def test_a_newer_version_is_committed_meanwhile(
    scene: Scene, request_held: tuple[str, str], swept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_version(scene.source, 1)
    scene.sync()
    write_version(scene.source, 2)
    with Late(scene, request_held, scene.sync):
        write_version(scene.source, 3)
        scene.sync()
        if swept:
            with monkeypatch.context() as patch:
                patch.setattr(s3_files, "LEFTOVER_S", AT_ONCE_S)
                scene.prune()
        scene.assert_sound(3)
    scene.assert_sound(3)
    scene.assert_swept(3, monkeypatch)


@pytest.mark.parametrize("before", [1, 0], ids=["an-older-version-there", "a-new-object"])
@pytest.mark.parametrize("request_held", HELD_REQUESTS)
def test_what_it_has_put_so_far_is_swept_meanwhile(
    scene: Scene, request_held: tuple[str, str], before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was committed of the late run's version, so its files are taken for those of a dead one. It must not
    name them any more."""
    if before:
        write_version(scene.source, before)
    elif request_held == DELETE_OF_OLD:
        pytest.skip("a new object replaces nothing")
    scene.sync()
    write_version(scene.source, 2)
    with Late(scene, request_held, scene.sync):
        with monkeypatch.context() as patch:
            patch.setattr(s3_files, "LEFTOVER_S", AT_ONCE_S)
            scene.prune()
        if request_held != DELETE_OF_OLD:
            scene.assert_sound(before)
    assert broken_laws(scene.lake(), list(scene.lake().manifests(FLIGHTS.name).values())) == []
    scene.sync()
    scene.assert_sound(2)
    scene.assert_swept(2, monkeypatch)


def test_an_object_comes_back_before_it_is_forgotten(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_version(scene.source, 1)
    scene.sync()
    path.unlink()
    with Late(scene, PUT_OF_MANIFEST, scene.prune):
        write_version(scene.source, 3)
        scene.sync()
        scene.assert_sound(3)
    scene.assert_sound(3)
    scene.assert_swept(3, monkeypatch)


def test_an_object_comes_back_after_it_was_forgotten(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The delete of its old file arrives when the object is there again."""
    path = write_version(scene.source, 1)
    scene.sync()
    path.unlink()
    with Late(scene, DELETE_OF_OLD, scene.prune):
        scene.assert_sound(0)
        write_version(scene.source, 3)
        scene.sync()
    scene.assert_sound(3)
    scene.assert_swept(3, monkeypatch)


DAY_REQUESTS = [
    pytest.param((method, path), id=f"{method.lower()}-{name}")
    for method, path, name in [
        ("PUT", rf"/_manifest/core/flights/{DAY}\.json$", "record-of-flights"),
        ("PUT", rf"/_manifest/core/enriched_flights/{DAY}\.json$", "record-of-enriched-flights"),
        ("PUT", rf"/core/enriched_flights/day={DAY}/", "enriched-flights"),
        ("DELETE", rf"/core/enriched_flights/day={DAY}/", "enriched-flights"),
    ]
]


@pytest.mark.parametrize("request_held", DAY_REQUESTS)
def test_a_day_of_newer_inputs_is_made_meanwhile(scene: Scene, request_held: tuple[str, str]) -> None:
    days = [DAY, OTHER_DAY]

    def make(endpoint: str | None = None) -> None:
        core(scene.lake(endpoint), days)

    write_version(scene.source, 1)
    sync_aircraft(LocalStore(scene.source), scene.lake(), scene.settings(), TODAY, lambda text: None)
    publish_airports(scene.lake())
    scene.sync()
    make()
    write_version(scene.source, 2)
    scene.sync()
    with Late(scene, request_held, make):
        write_version(scene.source, 3)
        scene.sync()
        make()
    scene.assert_sound(3)
    lake = scene.lake()
    core_tables = ("flights", "enriched_flights")
    assert {path: due for path, due in verify(lake).due.items() if path.split("/")[1] in core_tables} == {}
    for again in (False, True):
        if again:
            make()  # which removes what nobody names
        for table in core_tables:
            with duckdb.connect() as connection:
                lake.attach(connection)
                named = lake.locations(f"core/{table}", days)
                read = [named, lake.pattern(f"core/{table}/*/*.parquet")] if again else [named]
                for paths in read:
                    query = "SELECT count(*), count(DISTINCT icao24) FROM read_parquet(?) WHERE day = ?"
                    assert connection.execute(query, [paths, DAY]).fetchone() == (3, 3), table


def test_a_day_that_is_empty_meanwhile_stays_empty(scene: Scene) -> None:
    """The only object of a day goes while its enrichment is on its way: what is published has no rows of it."""
    days = [DAY, OTHER_DAY]
    path = write_version(scene.source, 1)
    sync_aircraft(LocalStore(scene.source), scene.lake(), scene.settings(), TODAY, lambda text: None)
    publish_airports(scene.lake())
    scene.sync()
    core(scene.lake(), days)
    write_version(scene.source, 2)
    scene.sync()
    with Late(scene, ("PUT", rf"/core/flights/day={DAY}/"), lambda endpoint: core(scene.lake(endpoint), days)):
        path.unlink()
        scene.prune()
        core(scene.lake(), days)
    for table in ("flights", "enriched_flights"):
        assert scene.lake().day_files(f"core/{table}", [DAY]) == {}
