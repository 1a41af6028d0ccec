"""A run reads each manifest once, and sees what other runs replace meanwhile."""

import pickle
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake.records import Records
from opensky_assets.schemas import STATE_VECTORS
from opensky_assets.settings import load_settings
from opensky_assets.storage.files import LocalFiles
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests.lakes import LocalLake
from opensky_assets_tests.state_files import epoch, state, write_hour

DAY, TODAY = "2022-06-20", date(2022, 7, 1)


def sync(bucket: Path, lake: LocalLake) -> int:
    done = sync_days(STATE_VECTORS, [DAY], LocalStore(bucket), lake, load_settings(), TODAY, lambda text: None)
    return len(done.read)


def write(bucket: Path, hour: int, rows: int) -> None:
    write_hour(bucket, DAY, hour, [state(epoch(DAY, hour, n), f"{n:06x}") for n in range(rows)])


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each manifest was read to look at it; what a commit compares is read apart."""
    counted: Counter[str] = Counter()
    read = LocalFiles.read

    def counting(self: LocalFiles, path: str) -> bytes:
        if path.startswith("_manifest/") and path.count("/") > 1:
            counted[path] += 1
        return read(self, path)

    monkeypatch.setattr(LocalFiles, "read", counting)
    monkeypatch.setattr(LocalFiles, "read_version", lambda self, path: _version(read, self, path))
    return counted


def _version(read, files: LocalFiles, path: str) -> tuple[bytes | None, str]:  # type: ignore[no-untyped-def]
    try:
        return read(files, path), ""
    except FileNotFoundError:
        return None, ""


def test_a_sync_reads_each_manifest_once(tmp_path: Path, reads: Counter[str]) -> None:
    bucket, lake = tmp_path / "bucket", LocalLake.at(tmp_path / "lake")
    for hour in range(4):
        write(bucket, hour, 10)
    assert sync(bucket, lake) == 4
    assert set(reads.values()) == {1} and len(reads) == 4
    reads.clear()
    assert sync(bucket, lake) == 0
    assert set(reads.values()) == {1} and len(reads) == 4
    reads.clear()
    write(bucket, 2, 20)
    assert sync(bucket, lake) == 1
    assert sorted(reads.values()) == [1, 1, 1, 2]  # as it was, and as this run committed it


def test_what_another_run_replaced_is_read_again(tmp_path: Path) -> None:
    bucket, lake = tmp_path / "bucket", LocalLake.at(tmp_path / "lake")
    write(bucket, 0, 10)
    sync(bucket, lake)
    mine = lake.with_records()
    assert [m.total.written for m in mine.manifests("state_vectors").values()] == [10]
    write(bucket, 0, 30)
    write(bucket, 1, 5)
    sync(bucket, lake)
    assert sorted(m.total.written for m in mine.manifests("state_vectors").values()) == [5, 30]
    for path in lake.path("_manifest/state_vectors").iterdir():
        path.unlink()
    assert mine.manifests("state_vectors") == {}


def test_another_process_gets_the_lake_without_what_was_read(tmp_path: Path) -> None:
    bucket, lake = tmp_path / "bucket", LocalLake.at(tmp_path / "lake")
    write(bucket, 0, 10)
    sync(bucket, lake)
    mine = lake.with_records()
    mine.manifests("state_vectors")
    assert mine == lake and mine.records is not None and mine.records.kept
    there = pickle.loads(pickle.dumps(mine))
    assert there.records == Records() and there == lake
