"""The daily pipeline and monitoring: what their schedules ask for, and when they ask for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from opensky_assets.dagster_private import PARTITION_NAME_TAG
from opensky_assets.defs.automation.freshness import followed_assets, stale_assets
from opensky_assets.partitions import DAILY, SINGLE_RUN, range_tags
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.settings import Settings
from opensky_assets_tests.dagster.conftest import Platform
from opensky_assets_tests.flight_lists import flight, write_aircraft, write_list

DAY = "2022-06-25"
MORNING = datetime(2022, 6, 26, 8, tzinfo=UTC)
TODAY = date(2022, 6, 26)


@pytest.fixture
def platform(platform: Platform, tmp_path: Path) -> Iterator[Platform]:
    """With a history on disk, which the ticks of schedules want."""
    home = tmp_path / "history"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        platform.instance = instance
        yield platform


@pytest.fixture(autouse=True)
def on_the_morning_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenSkyResource, "today", classmethod(lambda cls: TODAY))


def tick(platform: Platform, name: str, at: datetime = MORNING) -> dg.RunRequest | str:
    """What a schedule asks for, or why it asks for nothing."""
    repository = platform.definitions.get_repository_def()
    with dg.build_schedule_context(
        instance=platform.instance,
        scheduled_execution_time=at,
        repository_def=repository,
        resources=dict(repository.get_top_level_resources()),
    ) as context:
        done = repository.get_schedule_def(name).evaluate_tick(context)
    if done.skip_message:
        return done.skip_message
    (request,) = done.run_requests or ()
    return request


def launch(platform: Platform, job: str, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    """The run that a request asks for."""
    return platform.definitions.resolve_job_def(job).execute_in_process(
        instance=platform.instance,
        tags=dict(request.tags),
        partition_key=request.partition_key,
        asset_selection=list(request.asset_selection) if request.asset_selection else None,
        raise_on_error=False,
    )


def test_the_pipeline_has_daily_assets_alone_that_take_a_range_in_one_run(platform: Platform) -> None:
    job = platform.definitions.resolve_job_def("opensky_data_pipeline")
    assert job.partitions_def == DAILY
    keys = job.asset_layer.selected_asset_keys
    assert {"raw_flights", "enriched_state_vectors", "routes", "daily_report"} <= {k.to_user_string() for k in keys}
    for key in keys:
        node = job.asset_layer.asset_graph.get(key)
        assert (node.partitions_def, node.backfill_policy) == (DAILY, SINGLE_RUN), key


def test_the_pipeline_says_where_yesterday_has_no_objects(platform: Platform) -> None:
    write_list(platform.bucket, "2022-06-20", "2022-06-20", [flight("2022-06-20")])
    assert f"has no object of {DAY}" in str(tick(platform, "opensky_data_pipeline_daily"))
    assert platform.instance.get_runs() == []


def test_the_pipeline_waits_for_the_reference_tables(platform: Platform) -> None:
    write_list(platform.bucket, DAY, DAY, [flight(DAY)])
    assert "aircraft_database and airports: not in the lake yet" in str(tick(platform, "opensky_data_pipeline_daily"))


def test_the_pipeline_leaves_a_day_to_a_run_that_is_at_it(platform: Platform) -> None:
    write_list(platform.bucket, DAY, DAY, [flight(DAY)])
    job = platform.definitions.resolve_implicit_global_asset_job_def()
    run = platform.instance.create_run_for_job(
        job, tags=range_tags("2022-06-24", DAY), status=dg.DagsterRunStatus.STARTED
    )
    assert tick(platform, "opensky_data_pipeline_daily") == f"run {run.run_id} already works on {DAY}"


def test_assets_that_a_night_brought_nothing_are_stale() -> None:
    settings = Settings(_env_file=None, env="production", client_id="x", client_secret="x")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("raw_flights"))
        now = datetime.now(UTC)
        assert set(stale_assets(settings, instance, now)) == followed_assets(settings) - {"raw_flights"}
        stale = stale_assets(settings, instance, now + timedelta(hours=37))
    assert stale["raw_flights"].startswith(f"since {now:%Y-%m-%d}") and stale["daily_report"] == "never materialized"
    assert stale_assets(Settings(_env_file=None), instance, now) == {}


@pytest.mark.slow
def test_yesterday_is_run_once_and_then_monitored(platform: Platform) -> None:
    write_aircraft(platform.bucket)
    write_list(platform.bucket, DAY, DAY, [flight(DAY), flight(DAY, hour=14)])
    assert platform.run(["aircraft_database", "airports"]).success

    request = tick(platform, "opensky_data_pipeline_daily")
    assert isinstance(request, dg.RunRequest) and (request.run_key, request.partition_key) == (DAY, DAY)
    chosen = {key.to_user_string() for key in request.asset_selection or ()}
    assert {"raw_flights", "routes", "daily_report"} <= chosen and "raw_state_vectors" not in chosen
    done = launch(platform, "opensky_data_pipeline", request)
    assert done.success and done.dagster_run.tags[PARTITION_NAME_TAG] == DAY
    for asset in ("raw_flights", "flights", "enriched_flights", "routes", "data_quality_daily", "daily_report"):
        assert platform.materialized(asset) == [DAY]
    assert tick(platform, "opensky_data_pipeline_daily") == f"{DAY} is in the lake, with everything made from it"

    monday = tick(platform, "opensky_monitoring_weekly", datetime(2022, 6, 27, 7, tzinfo=UTC))
    assert (
        isinstance(monday, dg.RunRequest)
        and dict(monday.tags).items() >= range_tags("2022-06-20", "2022-06-26").items()
    )
    before = {path: path.stat().st_mtime_ns for path in platform.lake.root.rglob("*") if path.is_file()}
    done = launch(platform, "opensky_monitoring", monday)
    assert done.success
    assert {path: path.stat().st_mtime_ns for path in platform.lake.root.rglob("*") if path.is_file()} == before
    checks = {(c.asset_key.to_user_string(), c.check_name): c for c in done.get_asset_check_evaluations()}
    assert checks["lake_verification", "lake_is_sound"].passed
    assert checks["lake_verification", "assets_are_fresh"].passed
    assert checks["raw_flights", "counting_law"].metadata["objects"].value == 1
    assert ("flights", "each_flight_once") in checks

    next(iter(platform.lake.path(f"core/flights/day={DAY}").glob("*.parquet"))).unlink()
    done = launch(platform, "opensky_monitoring", monday)
    assert not done.success
    failed = [event for event in done.all_events if event.is_step_failure]
    assert any("core/flights" in str(event.step_failure_data.error_display_string) for event in failed)
