"""The run launcher with which Dagster's run monitoring sees that a run is gone together with its code server."""

import time
from collections.abc import Mapping
from typing import Any, Self

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import ConfigurableClassData, deserialize_value

from opensky_assets.dagster_home import dead_process

ANSWER_SECONDS = 10


class WatchedRunLauncher(DefaultRunLauncher):
    """Dagster's own launcher, and whether a run that it launched is still alive.

    A code server marks the runs whose process dies, but nobody looks after the server: where it is killed, or its
    machine stops, Dagster would count its runs as started for ever. Here run monitoring asks the server of each run,
    and takes a run for dead if the server does not know it, or has not answered for `server_gone_seconds`, and if its
    process is not on this machine. For code servers started by `dagster api grpc`: behind `dagster code-server start`
    one that was reloaded no longer knows its older runs.
    """

    def __init__(self, server_gone_seconds: int = 120, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data)
        self.server_gone_seconds = server_gone_seconds
        self._silent_since: dict[str, float] = {}

    @classmethod
    def config_type(cls) -> dict[str, dg.Field]:
        return {"server_gone_seconds": dg.Field(int, is_required=False, default_value=120)}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        return cls(inst_data=inst_data, **config_value)

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
            silent = time.monotonic() - self._silent_since.setdefault(run.run_id, time.monotonic())
            if silent < self.server_gone_seconds:
                return CheckRunHealthResult(WorkerStatus.RUNNING, f"its code server is silent since {silent:.0f} s")
            reason = f"its code server has not answered for {silent:.0f} s"
        else:
            self._silent_since.pop(run.run_id, None)
            if told.can_cancel:
                return CheckRunHealthResult(WorkerStatus.RUNNING)
            reason = "its code server was started anew and does not know it"
        pid = dead_process(self._instance, run)
        if pid is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"{reason}, but its process lives")
        self._silent_since.pop(run.run_id, None)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"{reason}, and its process (pid {pid}) is gone")
