"""The Spark engine on this machine: the same files as the local engine's, and no secret told."""

from datetime import date
from pathlib import Path

import dagster as dg
import psutil
import pytest
from pyspark.sql import DataFrame

from opensky_assets.calendar import Period, days_of
from opensky_assets.engines.spark.engine import SparkEngine
from opensky_assets.engines.spark.errors import SparkGaveUp, SparkUnavailable
from opensky_assets.engines.spark.tables import table_frame
from opensky_assets.ingest.sync import sync_days
from opensky_assets.io_managers.lake import LakeIOManager
from opensky_assets.lake import Lake, LakeError
from opensky_assets.partitions import DAILY
from opensky_assets.resources.monitor import MonitorResource
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.resources.spark import SparkResource
from opensky_assets.schemas import AIRPORTS, FLIGHTS, STATE_VECTORS
from opensky_assets.settings import Settings
from opensky_assets.sources.simulate import simulate
from opensky_assets.storage.objects import LocalStore
from opensky_assets.storage.s3 import S3Place
from opensky_assets.storage.s3_files import S3Files
from opensky_assets.storage.telemetry import recording
from opensky_assets_tests.buckets import TODAY, files_of, put, write_half_a_year
from opensky_assets_tests.lakes import LocalLake
from opensky_assets_tests.unit.ingest.test_runner import DeadlyStore

pytestmark = pytest.mark.services

SETTINGS = Settings(_env_file=None, workers=1)
YEAR = list(days_of(Period(date(2019, 1, 1), date(2019, 12, 31))))


@pytest.fixture(scope="module")
def hours(tmp_path_factory):
    bucket = tmp_path_factory.mktemp("hours") / "bucket"
    simulate(bucket, start=date(2022, 6, 25), days=1, aircraft=120, seed=3, states=True, states_hours=3)
    return bucket


@pytest.fixture
def lists(tmp_path):
    return write_half_a_year(tmp_path / "bucket")


def test_state_hours_become_the_same_files(hours, tmp_path, session, monkeypatch):
    one, two = LocalLake.at(tmp_path / "one"), LocalLake.at(tmp_path / "two")
    days = ["2022-06-25"]
    sync_days(STATE_VECTORS, days, LocalStore(hours), one, SETTINGS, TODAY, print)
    monkeypatch.chdir(hours.parent)
    said: list[str] = []
    store = LocalStore(Path("bucket"))  # a relative path means nothing in an executor's folder
    sync_days(STATE_VECTORS, days, store, two, SETTINGS, TODAY, said.append, SparkEngine(session).ingest)
    files = files_of(one.root)
    assert len([path for path in files if path.startswith("raw/")]) == 3
    assert files_of(two.root) == files
    assert said[-1].startswith("3 of 3 objects, ")
    assert not two.path("_staging").exists()


def test_flight_lists_with_broken_records_and_a_damaged_object_become_the_same_files(lists, tmp_path, session):
    one, two = LocalLake.at(tmp_path / "one"), LocalLake.at(tmp_path / "two")
    with recording() as on_local:
        local = sync_days(FLIGHTS, YEAR, LocalStore(lists), one, SETTINGS, TODAY, print)
    with recording() as on_spark:
        spark = sync_days(FLIGHTS, YEAR, LocalStore(lists), two, SETTINGS, TODAY, print, SparkEngine(session).ingest)
    assert files_of(two.root) == files_of(one.root)
    assert spark.failed == local.failed and {day[:7] for day in spark.failed} == {"2019-04"}
    assert spark.summary() == local.summary() and spark.data_version == local.data_version
    received = [sorted((r.key, r.received_bytes) for r in requests.latest) for requests in (on_local, on_spark)]
    assert received[0] == received[1] and len(received[0]) == 6


def test_trouble_with_the_lake_is_told_as_ever(lists, tmp_path, session):
    lake = LocalLake.at(tmp_path / "lake")
    put(lake.root, "raw", b"a file where the folder of raw tables should be")
    with pytest.raises(LakeError, match=r"the lake .* cannot be written \(.*OPENSKY_LAKE"):
        sync_days(FLIGHTS, YEAR, LocalStore(lists), lake, SETTINGS, TODAY, print, SparkEngine(session).ingest)


def test_a_killed_worker_ends_the_run_and_the_next_goes_on(lists, tmp_path, session):
    lake, undisturbed = LocalLake.at(tmp_path / "lake"), LocalLake.at(tmp_path / "undisturbed")
    ingest = SparkEngine(session).ingest
    with pytest.raises(SparkGaveUp, match=r"Spark gave up \(Job aborted.*what is published stays"):
        sync_days(FLIGHTS, YEAR, DeadlyStore(LocalStore(lists)), lake, SETTINGS, TODAY, print, ingest)
    sync_days(FLIGHTS, YEAR, LocalStore(lists), lake, SETTINGS, TODAY, print, ingest)
    sync_days(FLIGHTS, YEAR, LocalStore(lists), undisturbed, SETTINGS, TODAY, print)
    assert files_of(lake.root) == files_of(undisturbed.root)


def test_without_the_jars_a_lake_in_a_bucket_is_refused_in_one_line(session):
    lake = Lake(S3Files(S3Place("closed", endpoint="http://127.0.0.1:1")))
    with pytest.raises(
        SparkUnavailable, match=r"cannot read the lake s3://closed .*hadoop-aws:.*OPENSKY_ENGINE=local"
    ) as told:
        table_frame(session, lake, AIRPORTS)
    assert "\n" not in str(told.value)


class KeptSession(SparkResource):
    """Leaves the session, which other tests have too, to whoever started it."""

    def stop(self) -> None:
        pass


def test_an_asset_gets_the_days_it_asks_for_as_a_frame_of_spark(session, lists, tmp_path):
    """The engine of the settings is this machine's: Spark is started for who asks for it."""
    lake = LocalLake.at(tmp_path / "lake")
    sync_days(FLIGHTS, YEAR, LocalStore(lists), lake, SETTINGS, TODAY, print)
    found = {}

    @dg.asset(partitions_def=DAILY, ins={"raw_flights": dg.AssetIn(key="raw_flights")})
    def mine(raw_flights: DataFrame) -> None:
        found["days"] = {str(row.day) for row in raw_flights.select("day").distinct().collect()}
        found["rows"] = raw_flights.count()

    day, files = next(iter(lake.committed("flights", YEAR).items()))
    opensky = OpenSkyResource(source=str(lists), lake=str(lake.root))
    manager = LakeIOManager(opensky=opensky, spark=KeptSession(), monitor=MonitorResource())
    with dg.DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("raw_flights", partition=day))
        done = dg.materialize(
            [mine, dg.AssetSpec("raw_flights", partitions_def=DAILY)],
            selection=[mine], partition_key=day, instance=instance, resources={"io_manager": manager},
        )  # fmt: skip
    assert done.success
    assert found == {"days": {day}, "rows": sum(rows for _, rows in files)}


def test_an_asset_returns_a_frame_of_spark(session, lists, tmp_path):
    """It becomes a table of its own, which another asset takes."""
    lake = LocalLake.at(tmp_path / "lake")
    sync_days(FLIGHTS, YEAR, LocalStore(lists), lake, SETTINGS, TODAY, print)
    found = {}

    @dg.asset(partitions_def=DAILY)
    def by_origin(raw_flights: DataFrame) -> DataFrame:
        return raw_flights.groupBy("day", "origin").count()

    @dg.asset(partitions_def=DAILY)
    def after_it(by_origin: DataFrame) -> None:
        found["rows"] = by_origin.agg({"count": "sum"}).collect()[0][0]

    day, files = next(iter(lake.committed("flights", YEAR).items()))
    opensky = OpenSkyResource(source=str(lists), lake=str(lake.root))
    manager = LakeIOManager(opensky=opensky, spark=KeptSession(), monitor=MonitorResource())
    with dg.DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("raw_flights", partition=day))
        done = dg.materialize(
            [by_origin, after_it, dg.AssetSpec("raw_flights", partitions_def=DAILY)],
            selection=[by_origin, after_it], partition_key=day, instance=instance, resources={"io_manager": manager},
        )  # fmt: skip
    assert done.success
    assert found == {"rows": sum(rows for _, rows in files)}
    assert lake.days("core/by_origin") == [day]


def test_secret_options_reach_the_session_and_no_command_line(session):
    assert session.sparkContext.getConf().get("spark.test.password") == "hunter2"
    children = psutil.Process().children(recursive=True)
    commands = [" ".join(child.cmdline()) for child in children if child.status() != psutil.STATUS_ZOMBIE]
    assert any("org.apache.spark.deploy.SparkSubmit" in command for command in commands)
    assert not any("hunter2" in command for command in commands)
