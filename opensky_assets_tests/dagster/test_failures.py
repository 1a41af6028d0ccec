"""A transient error is retried by every step, with a wait; any other fails at once."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import duckdb
import httpx
import pytest

from opensky_assets.lake import LakeError
from opensky_assets.resources.failures import PERMANENT, TRANSIENT, tried_again
from opensky_assets.sources.api import CreditsSpent
from opensky_assets.sources.landing import NotYet
from opensky_assets.storage.errors import LakeUnavailable
from opensky_assets.storage.files import LocalFiles, Sent
from opensky_assets_tests.dagster.conftest import Platform
from opensky_assets_tests.flight_lists import flight, write_aircraft, write_list

DAY = "2022-06-25"


@pytest.mark.parametrize("error", [*PERMANENT, CreditsSpent, NotYet])
def test_a_failure_for_good_is_told_in_its_own_words(error: type[Exception]) -> None:
    with pytest.raises(dg.Failure, match="the disk is full") as raised, tried_again(0):
        raise error("the disk is full")
    assert raised.value.allow_retries is False


@pytest.mark.parametrize("error", [ZeroDivisionError, ValueError, KeyError, OSError])
def test_an_unknown_error_fails_at_once_as_it_is(error: type[Exception]) -> None:
    with pytest.raises(error, match="a defect"), tried_again(0):
        raise error("a defect")


BROKEN = "AWS Error NETWORK_CONNECTION during HeadObject operation: curlCode: 7, Couldn't connect to server"


@pytest.mark.parametrize(
    "error",
    [
        *(kind("hush") for kind in TRANSIENT),
        ConnectionResetError("reset"),
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("refused"),
        OSError(BROKEN),
        duckdb.IOException(BROKEN),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_transient_error_is_retried_after_a_growing_wait(error: Exception) -> None:
    for retry_number, least, most in ((0, 16, 24), (1, 32, 48)):
        with pytest.raises(dg.RetryRequested) as raised, tried_again(retry_number):
            raise error
        assert raised.value.max_retries == 2
        assert raised.value.seconds_to_wait is not None and least <= raised.value.seconds_to_wait <= most


@pytest.mark.parametrize("error", [KeyboardInterrupt, dg.DagsterExecutionInterruptedError])
def test_an_interrupt_is_no_failure(error: type[BaseException]) -> None:
    with pytest.raises(error), tried_again(0):
        raise error


def test_no_step_has_a_policy_with_which_it_would_outlive_an_interrupt(platform: Platform) -> None:
    """Dagster tries again what was interrupted, where a step has one."""
    repository = platform.definitions.get_repository_def()
    nodes = [node for job in repository.get_all_jobs() for node in job.all_node_defs]
    assert nodes and [node.name for node in nodes if isinstance(node, dg.OpDefinition) and node.retry_policy] == []


@pytest.fixture
def trouble(monkeypatch: pytest.MonkeyPatch) -> dict[str, Exception]:
    """Lets the lake fail: path → what is raised by the first file that is put below it."""
    put, waiting = LocalFiles.put, dict[str, Exception]()

    def failing(self: LocalFiles, staged: Path | Sent, path: str) -> None:
        for below in waiting:
            if path.startswith(below):
                raise waiting.pop(below)
        put(self, staged, path)

    monkeypatch.setattr(LocalFiles, "put", failing)
    return waiting


STEPS = {
    "airports": "reference/airports",
    "aircraft_database": "reference/aircraft",
    "raw_flights": "raw/flights",
    "flights": "core/flights",
    "enriched_flights": "core/enriched_flights",
    "data_quality_daily": "marts/data_quality_daily",
    "daily_report": "reports/day=",
    "range_report": "reports/day=",
}
"""The assets, one a step and in their order, and where each puts its files (a range of one day is that day)."""


def failures(done: dg.ExecuteInProcessResult) -> list[dg.DagsterEvent]:
    return [event for event in done.all_events if event.is_step_failure]


def retries(done: dg.ExecuteInProcessResult) -> list[dg.DagsterEvent]:
    return [event for event in done.all_events if event.is_step_up_for_retry]


@pytest.mark.slow
@pytest.mark.usefixtures("at_once")
def test_each_step_is_tried_again_where_the_lake_had_trouble(platform: Platform, trouble: dict[str, Exception]) -> None:
    write_list(platform.bucket, DAY, DAY, [flight(DAY)])
    write_aircraft(platform.bucket)
    for asset, below in STEPS.items():
        day = None if asset in ("airports", "aircraft_database", "range_report") else DAY

        trouble[below] = LakeError("the disk is full")
        done = platform.run([asset], day)
        (failure,) = failures(done)
        assert "the disk is full" in str(failure.step_failure_data.error), asset
        assert retries(done) == [] and not trouble, asset

        trouble[below] = LakeUnavailable("the lake is silent")
        done = platform.run([asset], day)
        assert done.success and len(retries(done)) == 1 and not trouble, asset
    assert platform.lake.files.find(f"reports/day={DAY}/report.html")
