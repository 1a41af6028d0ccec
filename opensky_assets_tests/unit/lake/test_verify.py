"""A whole lake is proven, and what is broken in it is found, named and due again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opensky_assets.ingest.plan import Status, make_plan
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import LakeError
from opensky_assets.schemas import FLIGHTS
from opensky_assets.settings import Settings
from opensky_assets.storage.objects import LocalStore
from opensky_assets.transforms.verify import repair, verify
from opensky_assets_tests.buckets import TODAY
from opensky_assets_tests.flight_lists import flight, write_list
from opensky_assets_tests.lakes import LocalLake

SETTINGS = Settings(_env_file=None)
DAYS = ["2022-06-25", "2022-06-26"]


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    for day in DAYS:
        write_list(tmp_path / "bucket", day, day, [flight(day, hour=hour) for hour in range(1, 20)])
    return tmp_path / "bucket"


@pytest.fixture
def lake(tmp_path: Path, bucket: Path) -> LocalLake:
    made = LocalLake.at(tmp_path / "lake")
    sync(bucket, made)
    return made


def sync(bucket: Path, lake: LocalLake) -> list[str]:
    """The keys of the objects that were read."""
    done = sync_days(FLIGHTS, DAYS, LocalStore(bucket), lake, SETTINGS, TODAY, lambda text: None)
    return [manifest.source.key for manifest in done.read]


def only_file(lake: LocalLake, day: str) -> Path:
    (path,) = lake.day_files(FLIGHTS.path, [day])[day]
    return lake.path(path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def test_a_sound_lake_has_no_problem(lake: LocalLake) -> None:
    found = verify(lake)
    assert (found.objects, found.files, found.rows, found.problems, found.strays) == (2, 2, 38, [], [])


@pytest.mark.parametrize(("damage", "what"), [(Path.unlink, "is gone"), (cut, "bytes instead of")])
def test_a_file_that_is_gone_or_cut_is_found_and_its_object_read_again(
    lake: LocalLake, bucket: Path, damage, what: str
) -> None:
    before = only_file(lake, DAYS[0]).read_bytes()
    damage(only_file(lake, DAYS[0]))
    (problem,) = verify(lake).problems
    assert problem.path.startswith(f"raw/flights/day={DAYS[0]}/") and what in problem.what
    plan = make_plan(LocalStore(bucket), lake, SETTINGS, TODAY)
    assert {o.status for o in plan.of("flights", [DAYS[0]])} == {Status.BROKEN}
    assert {o.status for o in plan.of("flights", [DAYS[1]])} == {Status.UNCHANGED}
    assert sync(bucket, lake) == ["flights/flightlist_20220625_20220625.csv.gz"]
    assert only_file(lake, DAYS[0]).read_bytes() == before
    assert verify(lake).problems == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_manifest_that_does_not_read_is_named_and_its_object_is_read_again_after_a_repair(
    lake: LocalLake, bucket: Path, text: str
) -> None:
    path = next(path for path in lake.root.glob("_manifest/flights/*.json"))
    path.write_text(text)
    with pytest.raises(LakeError, match=rf"_manifest/flights/{path.name} cannot be read: .*verify --repair"):
        lake.manifests("flights")
    found = verify(lake)
    assert [problem.path for problem in found.problems] == [f"_manifest/flights/{path.name}"]
    assert repair(lake, found) == [f"_manifest/flights/{path.name}"]
    assert len(sync(bucket, lake)) == 1
    assert verify(lake).problems == [] and verify(lake).strays == []


def test_a_manifest_of_a_newer_version_is_left_alone(lake: LocalLake, bucket: Path) -> None:
    path = next(path for path in lake.root.glob("_manifest/flights/*.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 99}))
    before = path.read_text()
    for call in (verify, lambda lake: sync(bucket, lake)):
        with pytest.raises(LakeError, match="records of format 99, and this package knows up to 2"):
            call(lake)
    assert path.read_text() == before


def test_counts_that_do_not_add_up_are_found(lake: LocalLake) -> None:
    path = next(path for path in lake.root.glob("_manifest/flights/*.json"))
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "read": manifest["read"] + 1}))
    (problem,) = verify(lake).problems
    assert problem.what == "read 20, accounted for 19"


def test_manifests_tell_the_version_of_their_format(lake: LocalLake) -> None:
    assert {json.loads(path.read_text())["format_version"] for path in lake.root.glob("_manifest/flights/*.json")} == {
        2
    }


def test_strays_are_told_apart(lake: LocalLake) -> None:
    stray = lake.path(f"raw/flights/day={DAYS[0]}/left-0123456789abcdef.parquet")
    stray.write_bytes(only_file(lake, DAYS[0]).read_bytes())
    assert verify(lake).strays == [f"raw/flights/day={DAYS[0]}/left-0123456789abcdef.parquet"]
