"""The run launcher with which Dagster's run monitoring sees that a run is gone together with its code server."""

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

from opensky_assets.dagster_home import dead_process

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
            asked = CanCancelExecutionRequest(run_id=run.run_id)
            told = deserialize_value(client.can_cancel_execution(asked, ANSWER_SECONDS), CanCancelExecutionResult)
        except DagsterUserCodeUnreachableError:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its code server does not answer")
        if told.can_cancel:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if (pid := dead_process(self._instance, run)) is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its code server does not know it, but its process lives")
        reason = f"its code server was started anew and does not know it, and its process (pid {pid}) is gone"
        return CheckRunHealthResult(WorkerStatus.FAILED, reason)
