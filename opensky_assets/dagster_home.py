"""Where Dagster keeps its runs and events: `data/dagster`, for every command, so that UI, CLI and daemon
share one history. Only the standard library is imported before it is needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from opensky_assets.bootstrap import lock

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun


def dagster_home(root: Path) -> Path:
    """The absolute DAGSTER_HOME under `root`, made if missing, with the current `dagster.yaml` of `root` in it."""
    home = root.resolve() / "data" / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    settings = root / "dagster.yaml"
    if settings.is_file():
        wanted = b"# A copy of dagster.yaml at the top of the repository: change that one.\n" + settings.read_bytes()
        copy = home / "dagster.yaml"
        if not copy.is_file() or copy.read_bytes() != wanted:
            # By a rename: another process may be reading it.
            new = home / f"dagster.yaml.{os.getpid()}"
            new.write_bytes(wanted)
            os.replace(new, copy)
    return home


def history(home: Path) -> DagsterInstance:
    """The Dagster instance of `home`. Its databases are made by one process: two at once make them unusable."""
    from dagster import DagsterInstance

    made = home / ".history-made"
    if made.is_file():
        return DagsterInstance.from_config(str(home))
    with lock(home / ".lock", "making Dagster's databases"):
        instance = DagsterInstance.from_config(str(home))
        made.touch()
    return instance


def end_dead_runs(instance: DagsterInstance) -> list[str]:
    """Mark runs as failed that are recorded as started but whose process is gone; returns their ids.

    Dagster does not notice by itself when a command's process is killed: the run would count as running for
    ever, against `max_concurrent_runs` and its pools. For a history that is used on one machine only.
    """
    from dagster import DagsterRunStatus, RunsFilter
    from dagster._core.storage.tags import MAX_RETRIES_TAG

    ended = []
    for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING])):
        pid = _died(instance, run)
        if pid is not None:
            # Whoever killed it decides whether it runs again: no automatic retry.
            instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: "0"})
            instance.report_run_failed(run, f"Its process (pid {pid}) is gone: it was killed or the machine stopped.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            ended.append(run.run_id)
    return ended


def _died(instance: DagsterInstance, run: DagsterRun) -> int | None:
    """The process id of a run whose process is gone; None where it lives or never said which it is."""
    import psutil
    from dagster import DagsterEventType

    starts = [
        (entry.dagster_event.pid, entry.timestamp)
        for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.RUN_START)
        if entry.dagster_event is not None
    ]
    if not starts or starts[-1][0] is None:
        return None
    pid, started = starts[-1]
    try:
        # A process that is younger than the run has only inherited the number.
        process = psutil.Process(pid)
        alive = process.create_time() <= started + 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        alive = False
    return None if alive else pid
