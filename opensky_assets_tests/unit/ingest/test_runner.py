"""Many objects at once: the same files whoever reads them, and one object's trouble stops no other."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import date

import pytest
from polars.exceptions import PanicException

from opensky_assets.calendar import Period, days_of
from opensky_assets.ingest import runner
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import LakeError
from opensky_assets.schemas import FLIGHTS, Reason
from opensky_assets.settings import Settings
from opensky_assets.storage.errors import LakeUnavailable
from opensky_assets.storage.objects import LocalStore
from opensky_assets.storage.telemetry import recording
from opensky_assets_tests.buckets import TODAY, CountingStore, files_of, put, write_half_a_year
from opensky_assets_tests.commands import ROOT
from opensky_assets_tests.lakes import LocalLake

DAYS = list(days_of(Period(date(2019, 1, 1), date(2019, 12, 31))))


@pytest.fixture
def bucket(tmp_path):
    return write_half_a_year(tmp_path / "bucket")


def sync(bucket, lake, workers):
    said = []
    settings = Settings(_env_file=None, workers=workers)
    return sync_days(FLIGHTS, DAYS, LocalStore(bucket), lake, settings, TODAY, said.append), said


def test_a_pool_of_processes_writes_the_same_files(bucket, tmp_path, monkeypatch):
    one, two = LocalLake.at(tmp_path / "one"), LocalLake.at(tmp_path / "two")
    with recording() as requests_alone:
        alone, _ = sync(bucket, one, 1)
    monkeypatch.setattr(runner, "SMALL_BYTES", 0)
    with recording() as requests_together:
        together, said = sync(bucket, two, 2)
    assert files_of(one.root) == files_of(two.root)
    assert {m.source.key for m in alone.read} == {m.source.key for m in together.read}
    assert len(together.read) == 5 and together.failed == alone.failed
    assert {day[:7] for day in together.failed} == {"2019-04"}
    assert said[-1].startswith("6 of 6 objects, 1,005 records")
    sizes = [(item.key, item.size) for item in LocalStore(bucket).list()]
    for requests in (requests_alone, requests_together):
        assert sorted((r.key, r.received_bytes) for r in requests.latest) == sizes
        assert all(r.status is None and 0 < r.reading_s <= r.duration_s for r in requests.latest)
    assert not two.path("_staging").exists()


def test_trouble_with_the_lake_ends_the_pool_with_its_message(bucket, tmp_path, monkeypatch):
    lake = LocalLake.at(tmp_path / "lake")
    monkeypatch.setattr(runner, "SMALL_BYTES", 0)
    put(lake.root, "raw", b"a file where the folder of raw tables should be")
    with pytest.raises(LakeError, match=r"the lake .* cannot be written \(.*OPENSKY_LAKE"):
        sync(bucket, lake, 2)
    assert lake.manifests("flights") == {}
    assert not lake.path("_staging").exists()


ERRORS = {
    error.__name__: error
    for error in (
        ZeroDivisionError, PanicException, KeyboardInterrupt, MemoryError, LakeError, LakeUnavailable, OSError
    )
}  # fmt: skip


@dataclass(frozen=True)
class DefectiveStore(CountingStore):
    """A folder of which one object makes whoever opens it fail."""

    error: str = "ZeroDivisionError"
    """Its name, since a Polars panic does not pickle."""

    def open(self, item):
        if "201902" in item.key:
            raise ERRORS[self.error]("a defect\nof two lines")
        return super().open(item)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("error", ["ZeroDivisionError", "PanicException"])
def test_what_the_ingest_fails_of_holds_that_object_back_and_no_other(bucket, tmp_path, monkeypatch, workers, error):
    lake = LocalLake.at(tmp_path / "lake")
    monkeypatch.setattr(runner, "SMALL_BYTES", 0)
    store = DefectiveStore(LocalStore(bucket), error=error)
    done = sync_days(FLIGHTS, DAYS, store, lake, Settings(_env_file=None, workers=workers), TODAY, lambda text: None)
    assert len(done.read) == 4 and {day[:7] for day in done.failed} == {"2019-02", "2019-04"}
    (key,) = (key for key in lake.held("flights") if "201902" in key)
    held = lake.held("flights")[key]
    assert held.reason == Reason.FAILED
    assert held.message == (
        f"{key}: the ingest itself failed on it ({error}: a defect of two lines); please report this with the object"
    )
    assert lake.files.find(held.quarantine_file.path)
    mended = sync_days(FLIGHTS, DAYS, LocalStore(bucket), lake, Settings(_env_file=None), TODAY, lambda text: None)
    assert [m.source.key for m in mended.read] == [key] and key not in lake.held("flights")


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "MemoryError", "LakeError", "LakeUnavailable", "OSError"])
def test_what_is_no_objects_trouble_ends_the_run(bucket, tmp_path, error):
    lake = LocalLake.at(tmp_path / "lake")
    with pytest.raises(LakeError if error == "OSError" else ERRORS[error], match="a defect"):
        store = DefectiveStore(LocalStore(bucket), error=error)
        sync_days(FLIGHTS, DAYS, store, lake, Settings(_env_file=None), TODAY, lambda text: None)
    assert not any(held.reason == Reason.FAILED for held in lake.held("flights").values())


@dataclass(frozen=True)
class DeadlyStore(CountingStore):
    """A folder of which one object kills whoever opens it."""

    def open(self, item):
        if "201904" in item.key:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.inner.open(item)


def test_a_killed_worker_ends_the_run_with_one_message_and_the_next_run_goes_on(bucket, tmp_path, monkeypatch):
    lake = LocalLake.at(tmp_path / "lake")
    monkeypatch.setattr(runner, "SMALL_BYTES", 0)
    settings = Settings(_env_file=None, workers=2)
    with pytest.raises(runner.WorkerDied, match=r"killed, most often since memory ran out.*OPENSKY_WORKERS"):
        sync_days(FLIGHTS, DAYS, DeadlyStore(LocalStore(bucket)), lake, settings, TODAY, lambda text: None)
    assert not lake.path("_staging").exists()
    sync(bucket, lake, 2)
    undisturbed = LocalLake.at(tmp_path / "undisturbed")
    sync(bucket, undisturbed, 1)
    assert files_of(lake.root) == files_of(undisturbed.root)


PROGRAM = """
print("loaded", flush=True)
if __name__ == "__main__":
    import sys
    from pathlib import Path

    from opensky_assets.ingest import runner
    from opensky_assets_tests.lakes import LocalLake
    from opensky_assets_tests.unit.ingest.test_runner import sync

    runner.SMALL_BYTES = 0
    bucket, lake = map(Path, sys.argv[1:])
    done, _ = sync(bucket, LocalLake.at(lake), 2)
    print(len(done.read))
"""


def test_workers_do_not_load_the_program_that_called(bucket, tmp_path):
    """As those of Python's pools do by themselves: `dagster` would take each worker some seconds."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, str(program), str(bucket), str(tmp_path / "lake")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.split() == ["loaded", "5"]
