"""Runs that come and go at the same time share the staging folder, which the last one removes."""

import threading

from opensky_assets.lake.staging import staging


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
