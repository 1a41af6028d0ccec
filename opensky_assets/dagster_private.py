"""What this package takes from Dagster's private modules, all of it: a new version of Dagster may change it.

Imported where Dagster is loaded anyway. What `import dagster` does not load stays behind a function.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
)
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    GRPC_INFO_TAG,
    MAX_RETRIES_TAG,
    PARTITION_NAME_TAG,
    RETRY_NUMBER_TAG,
    WILL_RETRY_TAG,
)
from dagster._utils.interrupts import capture_interrupts
from dagster_shared.error import SerializableErrorInfo

if TYPE_CHECKING:
    from dagster import DagsterInstance
    from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick
    from dagster._grpc.client import DagsterGrpcClient

__all__ = [
    "ASSET_PARTITION_RANGE_END_TAG",
    "ASSET_PARTITION_RANGE_START_TAG",
    "CODE_VERSION_TAG",
    "DAEMON_MODULE",
    "DATA_VERSION_IS_USER_PROVIDED_TAG",
    "DATA_VERSION_TAG",
    "GRPC_INFO_TAG",
    "MAX_RETRIES_TAG",
    "PARTITION_NAME_TAG",
    "RETRY_NUMBER_TAG",
    "SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION",
    "WILL_RETRY_TAG",
    "BaseAssetGraph",
    "CheckRunHealthResult",
    "DagsterUserCodeUnreachableError",
    "DefaultRunLauncher",
    "InstigatorTick",
    "SerializableErrorInfo",
    "UnresolvedAssetJobDefinition",
    "WorkerStatus",
    "answers",
    "capture_interrupts",
    "failed_ticks",
    "keep_first",
    "server_knows_run",
    "silent_daemons",
]

DAEMON_MODULE = "dagster._daemon"
"""The program `dagster-daemon`, for `python -m`."""


def failed_ticks(
    instance: DagsterInstance, state: InstigatorState, after: float | None, limit: int
) -> Sequence[InstigatorTick]:
    """The failed ticks of a sensor or schedule, newest first, those since `after`."""
    from dagster._core.scheduler.instigation import TickStatus

    return instance.get_ticks(
        state.instigator_origin_id, state.selector_id, after=after, limit=limit, statuses=[TickStatus.FAILURE]
    )


def keep_first(instance: DagsterInstance, key: str, value: str) -> str:
    """Store a value in the history itself where it has none under the key; the value that it has now. Of several
    processes that do so at once, the first one wins."""
    from dagster._core.storage.runs.schema import KeyValueStoreTable
    from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
    from sqlalchemy.exc import IntegrityError

    storage = instance.run_storage
    assert isinstance(storage, SqlRunStorage)
    with suppress(IntegrityError), storage.connect() as connection:
        connection.execute(KeyValueStoreTable.insert().values(key=key, value=value))
    return storage.get_cursor_values({key})[key]


def silent_daemons(instance: DagsterInstance, since: float) -> list[str]:
    """The kinds of daemon that are not healthy or gave no sign of life since then."""
    from dagster._daemon.controller import get_daemon_statuses

    statuses = get_daemon_statuses(instance, instance.get_required_daemon_types(), ignore_errors=True)
    return sorted(
        kind
        for kind, status in statuses.items()
        if not status.healthy or status.last_heartbeat is None or status.last_heartbeat.timestamp < since
    )


def answers(host: str, port: int) -> bool:
    """Whether a code server answers there."""
    from dagster._grpc.client import DagsterGrpcClient

    try:
        DagsterGrpcClient(port=port, host=host).ping("")
    except DagsterUserCodeUnreachableError:
        return False
    return True


def server_knows_run(client: DagsterGrpcClient, run_id: str, timeout: int) -> bool:
    """Whether a code server runs a run. Raises `DagsterUserCodeUnreachableError`."""
    from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
    from dagster._serdes import deserialize_value

    answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run_id), timeout)
    return deserialize_value(answer, CanCancelExecutionResult).can_cancel
