"""Prune: only what it says goes, and only that of which it is certain."""

from __future__ import annotations

import os
import threading
from datetime import date
from pathlib import Path

import pytest
from filelock import FileLock

from opensky_assets.checks.raw import broken_laws
from opensky_assets.ingest.plan import RAW_TABLES
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake.prune import Pruning, find, past, remove
from opensky_assets.schemas import STATE_VECTORS
from opensky_assets.settings import load_settings
from opensky_assets.storage.files import LocalFiles
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests.lakes import LocalLake
from opensky_assets_tests.state_files import epoch, state, write_hour

DAYS = ["2022-06-20", "2022-06-21"]


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """Two days of one hour each; the first has one bad line beside 30 good ones."""
    folder = tmp_path / "bucket"
    for day in DAYS:
        lines = [state(epoch(day, 3, 10 * n)) for n in range(30)]
        write_hour(folder, day, 3, [*lines, "broken"] if day == DAYS[0] else lines)
    return folder


def ingest(bucket: Path) -> LocalLake:
    lake = LocalLake.at(bucket.parent / "lake")
    sync_days(STATE_VECTORS, DAYS, LocalStore(bucket), lake, load_settings(), date(2022, 7, 1), lambda text: None)
    return lake


def look(bucket: Path, lake: LocalLake) -> Pruning:
    keys = {item.key for item in LocalStore(bucket).list()}
    gone = [m for m in lake.manifests(STATE_VECTORS.name).values() if m.source.key not in keys]
    held = [h for h in lake.held(STATE_VECTORS.name).values() if h.source.key not in keys]
    return find(lake, RAW_TABLES, gone, held)


def files(lake: LocalLake) -> set[str]:
    return {path.relative_to(lake.root).as_posix() for path in lake.root.rglob("*") if path.is_file()}


def test_a_sound_lake_has_nothing_to_prune(bucket: Path) -> None:
    lake = ingest(bucket)
    before = files(lake)
    found = look(bucket, lake)
    assert (found.items, found.bytes, found.days) == ([], 0, {})
    remove(lake, found)
    assert files(lake) == before


def test_rows_past_their_time_go_and_nothing_is_made_anew(bucket: Path) -> None:
    lake = ingest(bucket)
    before = files(lake)
    assert past(lake, ["state_vectors"], DAYS[0]) == []
    (expired,) = past(lake, ["state_vectors"], DAYS[1])
    found = find(lake, ["state_vectors"], expired=[expired])
    assert found.days == {} and {item.why for item in found.items} == {
        f"the last day of {expired.source.key} is older than the days to keep"
    }
    remove(lake, found)
    assert lake.days("raw/state_vectors") == DAYS[1:]
    assert before - files(lake) == {item.path for item in found.items}
    assert [m.days.keys() for m in lake.manifests("state_vectors").values()] == [{DAYS[1]}]


def test_rows_of_a_vanished_object_go_with_its_manifest_and_quarantine(bucket: Path) -> None:
    lake = ingest(bucket)
    before = files(lake)
    next((bucket / "states" / DAYS[0]).rglob("*.gz")).unlink()
    found = look(bucket, lake)
    assert files(lake) == before, "looking removes nothing"
    assert found.days == {"state_vectors": DAYS[:1]}
    assert found.bytes == sum(lake.path(item.path).stat().st_size for item in found.items)
    remove(lake, found)
    assert before - files(lake) == {item.path for item in found.items}
    assert {item.path.split("/")[0] for item in found.items} == {"raw", "quarantine", "_manifest"}
    assert lake.days(STATE_VECTORS.path) == DAYS[1:]
    assert [m.source.key[:18] for m in lake.manifests(STATE_VECTORS.name).values()] == [f"states/{DAYS[1]}/"]


def test_records_of_an_object_held_back_and_gone(bucket: Path) -> None:
    path = write_hour(bucket, DAYS[1], 4, ["broken"])
    lake = ingest(bucket)
    assert len(lake.held(STATE_VECTORS.name)) == 1
    path.unlink()
    remove(lake, look(bucket, lake))
    assert lake.held(STATE_VECTORS.name) == {}
    assert look(bucket, lake).items == []


def test_files_without_a_manifest_and_folders_of_dead_runs(bucket: Path) -> None:
    lake = ingest(bucket)
    before = files(lake)
    stray = lake.path(f"raw/state_vectors/day={DAYS[0]}/stray.parquet")
    stray.write_bytes(b"x" * 10)
    os.utime(stray, (0, 0))
    dead = lake.path("_staging/20220620T000000-1-aaaaaaaa")
    (dead / "rows").mkdir(parents=True)
    (dead / "rows" / "part").write_bytes(b"y" * 7)
    dead.with_suffix(".lock").touch()
    found = look(bucket, lake)
    assert {(item.path.split("/")[0], item.bytes) for item in found.items} == {("raw", 10), ("_staging", 7)}
    remove(lake, found)
    assert files(lake) == before


def test_nothing_of_a_living_run_goes(bucket: Path) -> None:
    lake = ingest(bucket)
    stray = lake.path(f"raw/state_vectors/day={DAYS[0]}/about-to-be-committed.parquet")
    stray.write_bytes(b"x")
    os.utime(stray, (0, 0))
    living = lake.path("_staging/20220620T000000-1-aaaaaaaa")
    living.mkdir(parents=True)
    with FileLock(living.with_suffix(".lock")):
        found = look(bucket, lake)
        assert found.items == []
        remove(lake, found)
        assert living.is_dir() and stray.exists()


def test_what_was_published_since_the_look_stays(bucket: Path) -> None:
    lake = ingest(bucket)
    (manifest,) = [m for m in lake.manifests(STATE_VECTORS.name).values() if DAYS[1] in m.days]
    record = lake.path(f"_manifest/state_vectors/{manifest.source.key_hash}.json")
    text = record.read_text()
    record.unlink()
    os.utime(lake.path(manifest.files[0].path), (0, 0))
    found = look(bucket, lake)
    assert [item.path for item in found.items] == [manifest.files[0].path]
    record.write_text(text)  # the other run commits now
    remove(lake, found)
    assert lake.path(manifest.files[0].path).exists()


@pytest.mark.parametrize("order", ["between", "during"])
def test_prune_beside_a_sync_removes_no_file_just_committed(
    bucket: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """Files of a dead run are found; then a sync puts its own under the same names, and is through before they are
    removed, or on its way to its manifest."""
    lake = ingest(bucket)
    (manifest,) = [m for m in lake.manifests(STATE_VECTORS.name).values() if DAYS[1] in m.days]
    lake.path(f"_manifest/state_vectors/{manifest.source.key_hash}.json").unlink()
    (file,) = manifest.files
    os.utime(lake.path(file.path), (0, 0))
    found = look(bucket, lake)
    assert [item.path for item in found.items] == [file.path]
    arrived, released = threading.Event(), threading.Event()
    swap = LocalFiles.swap

    def late(files: LocalFiles, staged: Path, path: str, seen: str) -> None:
        arrived.set()
        assert released.wait(30)
        swap(files, staged, path, seen)

    monkeypatch.setattr(LocalFiles, "swap", late)
    sync = threading.Thread(target=ingest, args=(bucket,))
    sync.start()
    assert arrived.wait(30)
    prune = threading.Thread(target=remove, args=(lake, found))
    if order == "during":
        prune.start()
        prune.join(0.5)
        assert prune.is_alive() and lake.path(file.path).exists(), "it waits for the commit"
    released.set()
    sync.join()
    if order == "between":
        prune.start()
    prune.join()
    manifests = list(lake.manifests(STATE_VECTORS.name).values())
    assert len(manifests) == 2 and broken_laws(lake, manifests) == []
