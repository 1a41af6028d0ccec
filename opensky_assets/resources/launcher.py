"""The run launcher with which Dagster's run monitoring sees that a run is gone together with its code server."""

import dagster as dg

from opensky_assets.dagster_home import dead_process
from opensky_assets.dagster_private import (
    CheckRunHealthResult,
    DagsterUserCodeUnreachableError,
    DefaultRunLauncher,
    WorkerStatus,
    server_knows_run,
)

ANSWER_SECONDS = 10


class WatchedRunLauncher(DefaultRunLauncher):
    """Dagster's own launcher, and whether a run that it launched is still alive.

    A code server marks the runs whose process dies, but nobody looks after the server: where it is killed, or its
    machine stops, Dagster would count its runs as started for ever. Here run monitoring asks the server of each run,
    and takes a run for dead if the server at that address does not know it, and if its process is not on this machine.
    As long as no server answers, nothing is decided: the run may live on another machine, and could not be run again.
    For code servers started by `dagster api grpc`: behind `dagster code-server start` one that was reloaded no longer
    knows its older runs.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        client = self._get_grpc_client_for_termination(run.run_id)
        if client is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "run by a command, which ends its runs itself")
        try:
            known = server_knows_run(client, run.run_id, ANSWER_SECONDS)
        except DagsterUserCodeUnreachableError:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its code server does not answer")
        if known:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if (pid := dead_process(self._instance, run)) is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its code server does not know it, but its process lives")
        reason = f"its code server was started anew and does not know it, and its process (pid {pid}) is gone"
        return CheckRunHealthResult(WorkerStatus.FAILED, reason)
