"""Marts of one's own are SQL and YAML: in a project beside the package's they get all that the package's marts have."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from opensky_assets.datasets import contracts, registered_within
from opensky_assets.definitions import build_definitions
from opensky_assets.graph import assets_of
from opensky_assets.ingest.reference import sync_aircraft
from opensky_assets.ingest.sync import sync_days
from opensky_assets.jobs.tables import column_lines, markdown, table_lines
from opensky_assets.lake import Lake
from opensky_assets.lake.connect import connect
from opensky_assets.partitions import DAILY, SINGLE_RUN
from opensky_assets.resources.dbt import DbtResource
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas.tables import marts, use_project
from opensky_assets.settings import load_settings
from opensky_assets.storage.objects import LocalStore
from opensky_assets.transforms.dbt_outcome import DbtOutcome, DbtRun
from opensky_assets.transforms.dbt_sources import sources_yaml
from opensky_assets.transforms.due import due_by_table
from opensky_assets.transforms.marts import build_marts
from opensky_assets_tests.commands import ROOT
from opensky_assets_tests.dagster.conftest import Platform
from opensky_assets_tests.dbt_models import OWN_MARTS, CompiledModels, compiled_in, copy_project
from opensky_assets_tests.flight_lists import flight, write_aircraft, write_list
from opensky_assets_tests.lakes import LocalLake, publish_airports
from opensky_assets_tests.services.engines import core
from opensky_assets_tests.state_files import epoch, state, write_hour

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TODAY = date(2022, 7, 1)
DAYS = ["2022-06-25", "2022-06-26", "2022-06-27"]
OWN = ("aircraft_by_hour", "busy_airports", "station_reports")
(METAR_YAML,) = re.findall(
    r"^```yaml\n(.*?)^```", (ROOT / "docs" / "sources.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)


def write_day(bucket: Path, day: str, hours: tuple[int, ...] = (0, 12, 15)) -> None:
    lines = [flight(day, icao24=f"4b18{hour:02x}", hour=hour) for hour in hours if hour]
    write_list(bucket, day, day, [*lines, flight(day, hour=9).replace(f"{day} 08:00", f"{day} 00:10")])
    for hour in hours[:2]:
        write_hour(bucket, day, hour, [state(epoch(day, hour), f"4b180{n}") for n in range(1 + hour % 5)])
    path = bucket / "metar" / f"{day}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"EDDF,{day} {hour:02d}:20,{hour},3,METAR EDDF" for hour in hours]
    path.write_text("\n".join(["station,valid,tmpc,sknt,metar", *rows, ""]))


@dataclass
class Own:
    platform: Platform
    project: Path
    models: CompiledModels


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    """Days of flights, states and reports, brought through all marts by one run of the definitions and of dbt."""
    folder = tmp_path_factory.mktemp("own")
    bucket, lake = folder / "bucket", folder / "lake"
    for day in DAYS:
        write_day(bucket, day)
    write_aircraft(bucket)
    project = copy_project(folder / "project", OWN_MARTS)
    (folder / "metar.yaml").write_text(METAR_YAML)
    compiled: list[CompiledModels] = []
    build = DbtResource.build

    def kept(self: DbtResource, of: Lake, run: DbtRun) -> DbtOutcome:
        outcome = build(self, of, run)
        compiled.append(compiled_in(run.target))
        return outcome

    with pytest.MonkeyPatch.context() as patch, registered_within():
        patch.setenv("OPENSKY_DBT_PROJECT", str(project))
        patch.setenv("OPENSKY_DATASETS", str(folder / "metar.yaml"))
        patch.setattr(DbtResource, "build", kept)
        opensky = OpenSkyResource(source=str(bucket), lake=str(lake), warehouse=str(folder / "warehouse.duckdb"))
        definitions = build_definitions(opensky)
        (project / "models" / "lake.yml").write_text(sources_yaml())
        platform = Platform(bucket, LocalLake.at(lake), dg.DagsterInstance.ephemeral(), definitions, opensky)
        assert platform.run(["aircraft_database", "airports"]).success
        daily = assets_of(definitions.resolve_asset_graph(), ["flights", "state_vectors", "metar"])
        assert set(OWN) < set(daily)
        assert platform.run([name for name in daily if name != "daily_report"], DAYS[0], DAYS[-1]).success
        yield Own(platform, project, compiled[0])
    use_project(None)


def test_they_are_assets_with_checks_and_days(own: Own) -> None:
    definitions = own.platform.definitions
    graph, pipeline = definitions.resolve_asset_graph(), definitions.resolve_job_def("opensky_data_pipeline")
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    for name in OWN:
        node = graph.get(dg.AssetKey(name))
        assert (node.partitions_def, node.backfill_policy, node.group_name) == (DAILY, SINGLE_RUN, "marts")
        assert [key.name for key in node.check_keys] == ["dbt_tests"]
        assert dg.AssetKey(name) in pipeline.asset_layer.executable_asset_keys
    parents = {name: {dep.asset_key.to_user_string() for dep in specs[name].deps} for name in OWN}
    assert parents == {
        "aircraft_by_hour": {"enriched_state_vectors"},
        "busy_airports": {"enriched_flights", "airport_traffic", "routes"},
        "station_reports": {"raw_metar"},
    }
    columns = specs["aircraft_by_hour"].metadata["dagster/column_schema"].columns
    assert [(c.name, c.type, c.constraints.nullable) for c in columns] == [
        ("hour", "timestamp[us, tz=UTC]", False),
        ("aircraft", "int64", False),
    ]
    assert columns[1].description == "Distinct aircraft [aircraft]" and specs["aircraft_by_hour"].code_version == "1"
    # Flights of a day have movements up to two days before it, and these are among the three days of two more.
    assert "the 2 days before and the 3 days after" in str(specs["busy_airports"].description)


def test_their_days_are_published_and_their_tests_are_checks(own: Own) -> None:
    platform = own.platform
    for name in ("aircraft_by_hour", "station_reports"):
        assert platform.materialized(name) == platform.lake.days(f"marts/{name}") == DAYS
    assert platform.materialized("busy_airports") == DAYS
    assert platform.metadata("station_reports", DAYS[0])["dagster/partition_row_count"] == 1
    assert due_by_table(platform.lake, DAYS) == {}
    records = platform.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey("busy_airports"), "dbt_tests"), limit=5
    )
    event = next(record.event.asset_check_evaluation for record in records if record.event)
    assert event is not None and event.passed
    assert {"busy_airports_agree", "unique_together_busy_airports_day__airport"} <= set(event.metadata)


def test_they_are_in_the_tables_in_sql_and_in_the_docs(own: Own) -> None:
    lake = own.platform.lake
    assert any(line.startswith("aircraft_by_hour ") and "3 days" in line for line in table_lines(lake))
    assert any(line.startswith("made of raw_metar;") for line in column_lines(lake, "station_reports"))
    with connect(lake) as sql:
        ((states,),) = sql.sql("SELECT sum(aircraft) FROM aircraft_by_hour").fetchall()
        assert states == len(DAYS) * (1 + 3)
        busy = sql.sql("SELECT movements, three_days, routes FROM busy_airports WHERE airport = 'EDDF' ORDER BY day")
        assert busy.fetchall() == [(3, 3, 0), (3, 6, 0), (3, 9, 0)]
        assert sql.sql("SELECT reports, warmest FROM station_reports").fetchall() == [(3, 15.0)] * 3
    assert "| [`busy_airports`](#busy_airports) | enriched_flights | the movement |" in markdown()


def made(folder: Path, bucket: Path, steps: list[list[str]], models: CompiledModels) -> dict[str, bytes]:
    """The published marts after these runs over `bucket`, without Dagster."""
    lake = LocalLake.at(folder)
    for days in steps:
        fill(lake, bucket, days)
        assert build_marts(lake, days, marts(), models.build).problems == {}
    root = lake.path("marts")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.parquet")}


def fill(lake: LocalLake, bucket: Path, days: list[str]) -> None:
    settings, store = load_settings(source=str(bucket), lake=str(lake.root)), LocalStore(bucket)
    sync_aircraft(store, lake, settings, TODAY, lambda _: None)
    publish_airports(lake)
    for table in ("flights", "state_vectors", "metar"):
        sync_days(contracts()[table], days, store, lake, settings, TODAY, lambda _: None)
    core(lake, days)


def test_late_and_changed_objects_end_as_a_full_rebuild(own: Own, tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    write_aircraft(bucket)
    write_day(bucket, DAYS[2])
    one = tmp_path / "one"
    made(one, bucket, [[DAYS[2]]], own.models)
    write_day(bucket, DAYS[0], (0, 10))
    made(one, bucket, [[DAYS[0]]], own.models)  # late
    write_day(bucket, DAYS[1])
    write_day(bucket, DAYS[0])
    found = made(one, bucket, [[DAYS[1]], [DAYS[0]]], own.models)  # late, and changed
    assert found == made(tmp_path / "other", bucket, [DAYS], own.models)
    assert due_by_table(LocalLake.at(one), DAYS) == {}
    assert {name.partition("/")[0] for name in found} == {mart.name for mart in marts()}


@pytest.fixture(params=["folder", "bucket"])
def lake_uri(request: pytest.FixtureRequest, own: Own, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The lake of the run, and a copy of it in a bucket."""
    lake = own.platform.lake
    if request.param == "folder":
        yield str(lake.root)
        return
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for name, value in {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "OPENSKY_LAKE_ENDPOINT": f"http://{host}:{port}",
            "OPENSKY_LAKE_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        import boto3

        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
        client.create_bucket(Bucket="by-hand")
        for path in sorted(lake.root.rglob("*")):
            if path.is_file() and path.suffix != ".lock":
                client.upload_file(str(path), "by-hand", f"lake/{path.relative_to(lake.root).as_posix()}")
        yield "s3://by-hand/lake"
    finally:
        server.stop()


def test_dbt_by_hand_builds_the_published_rows(own: Own, lake_uri: str) -> None:
    """From the project's folder, over the lake of the settings; nothing is written into the lake."""
    lake = own.platform.lake
    before = {path: path.stat().st_mtime_ns for path in lake.root.rglob("*")}
    target = own.project / "target"
    shutil.rmtree(target, ignore_errors=True)
    dbt = str(Path(sys.executable).with_name("dbt"))
    environment = {**os.environ, "OPENSKY_LAKE": lake_uri}
    done = subprocess.run(
        [dbt, "build", "--no-use-colors"], cwd=own.project, env=environment, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0 and " ERROR=0 SKIP=0 " in done.stdout, done.stdout[-3000:]
    with duckdb.connect(str(target / "by_hand.duckdb"), read_only=True) as connection:
        for mart in marts():
            columns = ", ".join(["day", *mart.contract.schema.names])
            published = f"SELECT {columns} FROM read_parquet('{lake.root}/{mart.contract.path}/*/*.parquet')"
            here = f"SELECT {columns} FROM main.{mart.name}"
            ((rows,),) = connection.execute(f"SELECT count(*) FROM ({here})").fetchall()
            assert rows and connection.execute(f"({here}) EXCEPT ALL ({published})").fetchall() == [], mart.name
            assert connection.execute(f"({published}) EXCEPT ALL ({here})").fetchall() == [], mart.name
    assert before == {path: path.stat().st_mtime_ns for path in lake.root.rglob("*")}
