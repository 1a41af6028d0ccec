"""Real ticks of the sensor, the runs they ask for, and the daemon that is killed between the two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG, RUN_KEY_TAG

from opensky_assets.definitions import build_definitions
from opensky_assets.ingest.arrivals import Arrivals
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas import AIRCRAFT_DATABASE, ENRICHED_FLIGHTS, FLIGHTS
from opensky_assets.settings import Settings
from opensky_assets.storage.errors import SourceError
from opensky_assets_tests.buckets import put
from opensky_assets_tests.dagster.conftest import Platform
from opensky_assets_tests.flight_lists import flight, write_aircraft, write_list
from opensky_assets_tests.lakes import LocalLake

ROOT = Path(__file__).resolve().parents[2]


class Ticks:
    """Ticks of a sensor, each with the cursor of the one before; runs asked for twice by key are left out, as the
    daemon does."""

    def __init__(self, platform: Platform, name: str = "arrivals") -> None:
        self.platform, self.cursor = platform, None
        self.repository = platform.definitions.get_repository_def()
        self.sensor = self.repository.get_sensor_def(name)
        self.keys: set[str] = set()

    def tick(self) -> list[dg.RunRequest]:
        with dg.build_sensor_context(
            instance=self.platform.instance,
            cursor=self.cursor,
            repository_def=self.repository,
            resources=dict(self.repository.get_top_level_resources()),
        ) as context:
            done = self.sensor.evaluate_tick(context)
        self.cursor = done.cursor
        fresh = [request for request in done.run_requests or () if request.run_key not in self.keys]
        self.keys |= {str(request.run_key) for request in fresh}
        return fresh

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        return self.platform.run(sorted(names(request)), *days(request))


def days(request: dg.RunRequest) -> tuple[str, str]:
    return request.tags[ASSET_PARTITION_RANGE_START_TAG], request.tags[ASSET_PARTITION_RANGE_END_TAG]


def names(request: dg.RunRequest) -> set[str]:
    return {key.to_user_string() for key in request.asset_selection or ()}


@pytest.fixture
def ticks(platform: Platform) -> Ticks:
    write_aircraft(platform.bucket)
    return Ticks(platform)


@pytest.mark.slow
def test_from_an_empty_lake_to_reports_and_then_only_what_changes(ticks: Ticks) -> None:
    bucket, platform = ticks.platform.bucket, ticks.platform
    write_list(bucket, "2022-06-25", "2022-06-26", [flight("2022-06-25"), flight("2022-06-26")])

    (request,) = ticks.tick()
    assert days(request) == ("2022-06-25", "2022-06-26")
    assert {"aircraft_database", "airports", "raw_flights", "enriched_flights", "routes", "daily_report"} <= names(
        request
    )
    assert "raw_state_vectors" not in names(request)
    assert ticks.tick() == []  # asked for, not run yet
    assert ticks.run(request).success
    for asset in ("raw_flights", "enriched_flights", "routes", "data_quality_daily"):
        assert platform.materialized(asset) == ["2022-06-25", "2022-06-26"]
    assert platform.materialized("daily_report") == ["2022-06-26"]
    assert ticks.tick() == []

    write_list(bucket, "2022-06-27", "2022-06-27", [flight("2022-06-27")])
    (request,) = ticks.tick()
    assert days(request) == ("2022-06-27", "2022-06-27")
    assert not names(request) & {"aircraft_database", "airports"}
    assert ticks.run(request).success
    write_list(bucket, "2022-06-27", "2022-06-27", [flight("2022-06-27"), flight("2022-06-27", hour=12)])
    (request,) = ticks.tick()
    assert ticks.run(request).success
    assert platform.metadata("enriched_flights", "2022-06-27")["dagster/partition_row_count"] == 2
    assert ticks.tick() == []

    ticks.cursor = None  # reset in the UI: the lake knows what there is
    assert ticks.tick() == []

    aircraft = write_aircraft(bucket)
    aircraft.write_text(aircraft.read_text().replace("HB-JVA", "HB-JVB"))
    (request,) = ticks.tick()
    assert days(request) == ("2022-06-25", "2022-06-27")
    assert {"aircraft_database", "enriched_flights", "daily_report"} <= names(request)
    assert "raw_flights" not in names(request)
    assert ticks.run(request).success
    assert ticks.tick() == []


@pytest.mark.slow
def test_flights_that_arrive_before_the_aircraft_get_them_once_these_come(platform: Platform) -> None:
    """A source without an aircraft table is enriched without aircraft, and says so once."""
    ticks, bucket, day = Ticks(platform), platform.bucket, "2022-06-25"
    write_list(bucket, day, day, [flight(day)])
    (request,) = ticks.tick()
    assert days(request) == (day, day) and {"aircraft_database", "airports", "enriched_flights"} <= names(request)
    assert ticks.run(request).success and ticks.tick() == []
    assert matched(platform, day) == [False]
    assert platform.materialized("routes") == [day]

    broken = bucket / "metadata" / "aircraftDatabase.csv"
    broken.parent.mkdir()
    broken.write_text("not a table")
    (request,) = ticks.tick()
    assert {"aircraft_database", "enriched_flights", "routes"} <= names(request)
    assert ticks.run(request).success and ticks.tick() == []  # it is no aircraft table, and left alone
    assert matched(platform, day) == [False]

    write_aircraft(bucket)
    (request,) = ticks.tick()
    assert days(request) == (day, day) and {"aircraft_database", "enriched_flights", "routes"} <= names(request)
    assert ticks.run(request).success and ticks.tick() == []
    assert matched(platform, day) == [True]


def matched(platform: Platform, day: str) -> list[bool]:
    paths = platform.lake.day_files(ENRICHED_FLIGHTS.path, [day])[day]
    return [hit for path in paths for hit in platform.lake.parquet(path).read()["aircraft_matched"].to_pylist()]


def test_a_thousand_new_days_are_few_runs(ticks: Ticks) -> None:
    for n in range(1000):
        day = (date(2019, 1, 1) + timedelta(days=n)).isoformat()
        write_list(ticks.platform.bucket, day, day, [flight(day)])
    requests = ticks.tick()
    assert 1 <= len(requests) <= 20
    assert days(requests[0])[0] == "2019-01-01" and days(requests[-1])[1] == "2021-09-26"
    assert ticks.tick() == []


def test_a_new_aircraft_table_leaves_days_alone_whose_raw_rows_were_pruned(tmp_path: Path) -> None:
    """Made anew, they would be empty."""
    from opensky_assets.defs.automation.arrivals import run_requests

    lake = LocalLake.at(tmp_path)
    graph = build_definitions(OpenSkyResource()).resolve_asset_graph()
    found = Arrivals((), "1.1", False, 1, 0, "")
    write_aircraft_table(lake, rows=1)

    def asked() -> list[tuple[set[str], str | None, str | None]]:
        requests = run_requests(found, lake, graph)
        tags = (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG)
        return [(names(request), *(request.tags.get(tag) for tag in tags)) for request in requests]  # type: ignore[misc]

    for day in range(10, 20):
        put(tmp_path, f"{ENRICHED_FLIGHTS.path}/day=2022-06-{day}/flights.parquet", b"")
    assert asked() == [({"aircraft_database", "airports"}, None, None)]
    for day in range(16, 20):
        put(tmp_path, f"{FLIGHTS.path}/day=2022-06-{day}/flights.parquet", b"")
    ((assets, *days),) = asked()
    assert "enriched_flights" in assets and days == ["2022-06-16", "2022-06-19"]
    for day in range(10, 16):
        put(tmp_path, f"{FLIGHTS.path}/day=2022-06-{day}/flights.parquet", b"")
    assert asked()[0][1:] == ("2022-06-13", "2022-06-19")
    write_aircraft_table(lake, rows=0)  # what was enriched without any is all made anew
    assert asked()[0][1:] == ("2022-06-10", "2022-06-19")


def write_aircraft_table(lake: LocalLake, rows: int) -> None:
    path = lake.path(AIRCRAFT_DATABASE.path)
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({"icao24": ["4b1801"] * rows}), path)


def test_a_broken_listing_fails_the_tick_with_its_reason(ticks: Ticks) -> None:
    bucket = ticks.platform.bucket
    aside = bucket.rename(bucket.with_name("aside"))
    with pytest.raises(SourceError, match="not a folder"):
        ticks.tick()
    aside.rename(bucket)
    write_list(bucket, "2022-06-25", "2022-06-25", [flight("2022-06-25")])
    assert [days(request) for request in ticks.tick()] == [("2022-06-25", "2022-06-25")]


@pytest.mark.parametrize(
    ("env", "status"), [("local", dg.DefaultSensorStatus.STOPPED), ("production", dg.DefaultSensorStatus.RUNNING)]
)
def test_it_runs_by_itself_only_in_production(env: str, status: dg.DefaultSensorStatus) -> None:
    from opensky_assets.defs.automation import automation

    found = automation(Settings(_env_file=None, env=env))
    assert {sensor.name: sensor.default_status for sensor in found.sensors or ()}["arrivals"] is status
    schedules = [schedule for schedule in found.schedules or () if isinstance(schedule, dg.ScheduleDefinition)]
    assert schedules and {schedule.default_status.value for schedule in schedules} == {status.value}


ALWAYS = {
    "aircraft_tables_weekly": "0 5 * * 1",
    "benchmark_weekly": "0 3 * * 0",
    "opensky_data_pipeline_daily": "0 8 * * *",
    "opensky_monitoring_weekly": "0 7 * * 1",
}
NIGHTLY = {"api_flights_nightly": "0 6 * * *"}


@pytest.mark.parametrize("env", ["local", "production"])
@pytest.mark.parametrize(
    ("secret", "jobs", "schedules"), [(None, set(), ALWAYS), ("x", {"api_flights"}, ALWAYS | NIGHTLY)]
)
def test_schedules_are_everywhere_and_those_of_the_api_where_there_are_credentials(
    monkeypatch: pytest.MonkeyPatch, env: str, secret: str | None, jobs: set[str], schedules: dict[str, str]
) -> None:
    monkeypatch.setenv("OPENSKY_ENV", env)
    for name in ("OPENSKY_CLIENT_ID", "OPENSKY_CLIENT_SECRET"):
        monkeypatch.setenv(name, secret or "")
    repository = build_definitions(OpenSkyResource()).get_repository_def()
    assert {schedule.name: schedule.cron_schedule for schedule in repository.schedule_defs} == schedules
    assert {schedule.execution_timezone for schedule in repository.schedule_defs} <= {"UTC"}
    assert {job.name for job in repository.get_all_jobs()} >= jobs
    assert "api_flights" in {job.name for job in repository.get_all_jobs()}


def test_the_job_of_the_api_says_which_credentials_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """`dg launch --job api_flights` is refused in one line, by the job and not since there is none of that name."""
    for name in ("OPENSKY_CLIENT_ID", "OPENSKY_CLIENT_SECRET"):
        monkeypatch.setenv(name, "")
    job = build_definitions(OpenSkyResource()).resolve_job_def("api_flights")
    with dg.DagsterInstance.ephemeral() as instance:
        done = job.execute_in_process(partition_key="2022-06-25", instance=instance, raise_on_error=False)
    (failure,) = done.get_step_failure_events()
    said = failure.step_failure_data.user_failure_data
    assert said is not None and "set OPENSKY_CLIENT_ID and OPENSKY_CLIENT_SECRET" in str(said.description)


@pytest.mark.parametrize(("env", "secret", "fresh"), [("local", "x", 0), ("production", "", 0), ("production", "x", 4)])
def test_freshness_is_asked_of_what_a_schedule_feeds(
    monkeypatch: pytest.MonkeyPatch, env: str, secret: str, fresh: int
) -> None:
    monkeypatch.setenv("OPENSKY_ENV", env)
    for name in ("OPENSKY_CLIENT_ID", "OPENSKY_CLIENT_SECRET"):
        monkeypatch.setenv(name, secret)
    specs = build_definitions(OpenSkyResource()).resolve_all_asset_specs()
    assert sum(spec.freshness_policy is not None for spec in specs) == fresh


def test_the_nightly_schedule_asks_for_yesterday_and_what_the_day_before_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENSKY_CLIENT_ID", "OPENSKY_CLIENT_SECRET"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("OPENSKY_ENV", "production")
    repository = build_definitions(OpenSkyResource()).get_repository_def()
    schedule = repository.get_schedule_def("api_flights_nightly")
    at = datetime(2022, 6, 26, 6, tzinfo=UTC)
    with dg.build_schedule_context(scheduled_execution_time=at, repository_def=repository) as context:
        requests = schedule.evaluate_tick(context).run_requests or ()
    assert [request.partition_key for request in requests] == ["2022-06-24", "2022-06-25"]
    assert len({request.run_key for request in requests}) == 2


# --- the daemon ----------------------------------------------------------------------------------------------------


@contextmanager
def daemon(home: Path) -> Iterator[tuple[dg.DagsterInstance, object]]:
    """What the daemon works with: an instance on disk, where runs are queued, and a code server of the project."""
    from dagster._core.test_utils import create_test_daemon_workspace_context
    from dagster._core.workspace.load_target import ModuleTarget

    target = ModuleTarget("opensky_assets.definitions", None, str(ROOT), "opensky_assets")
    with (
        dg.DagsterInstance.from_config(str(home)) as instance,
        create_test_daemon_workspace_context(target, instance) as workspace,
    ):
        yield instance, workspace


@pytest.mark.slow
@pytest.mark.parametrize("crash", ["RUN_IDS_RESERVED", "RUN_CREATED"])
def test_a_daemon_killed_between_listing_and_request_loses_and_doubles_nothing(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    from multiprocessing import get_context

    for day in ("2022-06-20", "2022-06-22", "2022-06-24"):
        write_list(platform.bucket, day, day, [flight(day)])
    monkeypatch.setenv("OPENSKY_SOURCE", str(platform.bucket))
    monkeypatch.setenv("OPENSKY_LAKE", str(platform.lake.root))
    monkeypatch.setenv("OPENSKY_ENV", "production")
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    spawn = get_context("spawn")
    killed = spawn.Process(target=_tick_of_the_daemon, args=(home, crash))
    killed.start()
    killed.join(120)
    assert killed.exitcode != 0

    resumed = spawn.Process(target=_tick_of_the_daemon, args=(home, None))
    resumed.start()
    resumed.join(120)
    assert resumed.exitcode == 0
    with dg.DagsterInstance.from_config(str(home)) as instance:
        runs = instance.get_runs()
        assert sorted(run.tags[ASSET_PARTITION_RANGE_START_TAG] for run in runs) == [
            "2022-06-20", "2022-06-22", "2022-06-24",
        ]  # fmt: skip
        assert len({run.tags[RUN_KEY_TAG] for run in runs}) == 3
        assert {run.status for run in runs} == {dg.DagsterRunStatus.QUEUED}


def _tick_of_the_daemon(home: Path, crash: str | None) -> None:
    """One iteration of the sensor daemon's own loop; with `crash`, killed there as by -9."""
    import signal
    from logging import getLogger

    from dagster._core.test_utils import freeze_time
    from dagster._daemon.sensor import execute_sensor_iteration

    flags = {"arrivals": {crash: signal.SIGKILL}} if crash else None
    # The next tick is due a minute after the one that was killed.
    clock = freeze_time(datetime.now(UTC) + timedelta(seconds=0 if crash else 61))
    with daemon(home) as (_, workspace), clock:
        list(execute_sensor_iteration(workspace, getLogger("daemon"), None, None, debug_crash_flags=flags))
