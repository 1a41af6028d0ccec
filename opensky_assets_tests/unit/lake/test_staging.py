"""Runs that come and go at the same time share the staging folder, which the last one removes."""

import threading

import pyarrow as pa
import pytest

from opensky_assets.lake.parquet import DayFiles
from opensky_assets.storage.files import LocalFiles
from opensky_assets.storage.staging import staging


def test_runs_that_end_and_begin_at_once_do_not_disturb_each_other(tmp_path):
    root, faults = tmp_path / "_staging", []

    def come_and_go() -> None:
        for _ in range(300):
            try:
                with staging(root) as (run, _):
                    assert run.folder("rows").is_dir()
            except Exception as error:
                faults.append(error)

    runs = [threading.Thread(target=come_and_go) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert faults == []
    assert not root.exists()


def test_a_task_that_outlives_its_run_leaves_nothing(tmp_path):
    root = tmp_path / "_staging"
    with staging(root) as (ended, _):
        folder = ended.folder("rows")
    rows = DayFiles(folder / "rows", "t", "x", pa.schema([("n", pa.int64())]))
    rows.write("2022-06-25", pa.table({"n": [1]}))
    for late in (lambda: ended.folder("manifest"), rows.close):
        with pytest.raises(FileNotFoundError):
            late()
    assert not root.exists()


def test_what_was_written_while_its_run_ended_goes_with_the_next(tmp_path):
    root = tmp_path / "_staging"
    with staging(root) as (alive, _):
        (root / "20220625T000000-1-abc" / "rows").mkdir(parents=True)
        with staging(root) as (_, alone):
            assert not alone and alive.path.is_dir() and not (root / "20220625T000000-1-abc").exists()
    assert not root.exists()


def test_a_connection_that_breaks_in_a_run_is_no_error_of_the_disk(tmp_path):
    with pytest.raises(ConnectionResetError, match="elsewhere"), LocalFiles(tmp_path).run():
        raise ConnectionResetError("elsewhere")
