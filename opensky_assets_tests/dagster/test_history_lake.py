"""One lake, one history: which folder a lake's history is in, what it records, and what an older version left."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest

from opensky_assets.dagster_home import dagster_home, history, home_of, homes, move_history, open_history
from opensky_assets.dagster_private import keep_first
from opensky_assets.history_lake import HistoryLake, lake_of, recorded_in
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.settings import Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that commands are called in."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    found = tmp_path / "folder"
    found.mkdir()
    monkeypatch.chdir(found)
    return found


@dg.asset
def raw_flights(context: dg.AssetExecutionContext, opensky: OpenSkyResource) -> dg.MaterializeResult:
    lake = opensky.open_lake()
    return dg.MaterializeResult(metadata={"dagster/uri": lake.uri("raw/flights/day=2022-06-25")})


def run_on(home: Path, lake: str | Path | None = None) -> dg.ExecuteInProcessResult:
    """A run as Dagster's own commands start it: of this package it knows the resource alone."""
    opensky = OpenSkyResource(lake=str(lake) if lake else None)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        return dg.materialize([raw_flights], instance=instance, resources={"opensky": opensky}, raise_on_error=False)


def runs_in(home: Path) -> int:
    with open_history(home) as instance:
        return len(instance.get_runs())


def test_each_lake_has_a_history_of_its_own(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = dagster_home(folder)
    monkeypatch.setenv("OPENSKY_LAKE", str(tmp_path / "real"))
    real = dagster_home(folder)
    assert {demo.parent, real.parent} == {folder / "data" / "dagster"} and demo != real
    assert [*homes(folder, load_settings())] == sorted([demo, real])
    for spelling in (f"{tmp_path}/./real/", "../real"):
        monkeypatch.setenv("OPENSKY_LAKE", spelling)
        assert dagster_home(folder) == real
    monkeypatch.setenv("OPENSKY_LAKE", "data/lake")
    assert dagster_home(folder) == demo
    monkeypatch.setenv("OPENSKY_ROOT", str(tmp_path / "root"))
    assert dagster_home(folder).parent == tmp_path / "root" / "dagster"


def test_a_folder_that_is_moved_takes_its_history_along(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = dagster_home(folder)
    history(home).dispose()
    assert run_on(home).success
    moved = folder.rename(folder.with_name("moved"))
    monkeypatch.chdir(moved)
    home = dagster_home(moved)
    history(home).dispose()
    assert home.is_relative_to(moved) and runs_in(home) == 1


def test_a_history_refuses_another_lake(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = dagster_home(folder)
    history(home).dispose()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    assert dagster_home(folder) == home
    monkeypatch.setenv("OPENSKY_LAKE", str(tmp_path / "real"))
    told = (
        rf"belongs to the lake {folder}/data/lake, not to {tmp_path}/real: unset DAGSTER_HOME, or set OPENSKY_LAKE "
        "back; if you moved that lake to here, run `opensky-assets home --moved`"
    )
    with pytest.raises(SettingsError, match=told) as raised:
        dagster_home(folder)
    assert "\n" not in str(raised.value)
    (home / "lake.json").unlink()  # the history has the record itself
    with pytest.raises(SettingsError, match=told):
        history(home)


@pytest.mark.parametrize("content", ["", "{}", '{"uri": ', "[]", '{"lake": 1}'])
def test_a_record_that_does_not_read_is_named(folder: Path, content: str) -> None:
    (dagster_home(folder) / "lake.json").write_text(content)
    with pytest.raises(SettingsError, match=r"lake\.json cannot be read: delete it"):
        dagster_home(folder)


def test_a_run_that_dagster_itself_starts_is_refused_too(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert run_on(home, tmp_path / "demo").success  # which records its lake
    assert run_on(home, tmp_path / "demo").success
    refused = run_on(home, tmp_path / "real")
    assert not refused.success
    (failure,) = [event for event in refused.all_events if event.is_failure and event.event_specific_data]
    assert f"belongs to the lake {tmp_path}/demo, not to {tmp_path}/real" in str(failure.event_specific_data)


def test_where_the_lake_was_moved_its_history_can_be_moved_too(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSKY_LAKE", str(tmp_path / "small"))
    home = dagster_home(folder)
    history(home).dispose()
    monkeypatch.setenv("OPENSKY_LAKE", str(tmp_path / "large"))
    with monkeypatch.context() as exported:
        exported.setenv("DAGSTER_HOME", str(home))
        with pytest.raises(SettingsError, match="--moved"):
            dagster_home(folder)
        assert dagster_home(folder, moved=True) == home
        assert move_history(home).uri == str(tmp_path / "large")
    assert dagster_home(folder) == home  # found by its record
    history(home).dispose()
    monkeypatch.setenv("OPENSKY_LAKE", str(tmp_path / "small"))
    with pytest.raises(SettingsError, match=f"belongs to the lake {tmp_path}/large"):
        dagster_home(folder)


def test_of_many_processes_the_first_one_says_which_lake(tmp_path: Path) -> None:
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance, ThreadPoolExecutor(8) as pool:
        instance.get_runs()
        kept = [*pool.map(lambda n: keep_first(instance, "a key", str(n)), range(16))]
    assert len(set(kept)) == 1


def lake(uri: str, endpoint: str | None = None) -> HistoryLake:
    return lake_of(load_settings(lake=uri, lake_endpoint=endpoint, lake_profile="someone"))


def test_a_bucket_is_named_with_its_server_and_without_secrets() -> None:
    aws = lake("s3://bucket/a/")
    assert (aws.uri, aws.server, str(aws)) == ("s3://bucket/a", "", "s3://bucket/a")
    assert aws.digest == lake("s3://bucket/a", "https://s3.eu-west-1.amazonaws.com").digest
    own = lake("s3://bucket/a", "http://user:hunter2@Store.example:9000/path")
    assert str(own) == "s3://bucket/a at store.example:9000"
    assert "hunter2" not in own.to_json() and HistoryLake.from_json(own.to_json()) == own
    assert lake("s3://bucket/a", "https://store.example:9000").is_same(own)
    assert not aws.is_same(own) and not lake("s3://bucket/b").is_same(aws)
    assert len({aws.digest, own.digest, lake("s3://bucket").digest}) == 3


# --- what an older version left in data/dagster itself ---------------------------------------------------------------


def leave_old_history(folder: Path, lake: Path | None) -> Path:
    """A history as older versions have it: its settings, and two runs that name a lake."""
    old = folder / "data" / "dagster"
    old.mkdir(parents=True)
    (old / "dagster.yaml").write_text("# Written by opensky-assets, out of …\ntelemetry:\n  enabled: false\n")
    with dg.DagsterInstance.from_config(str(old)) as instance:
        instance.get_runs()
        for name in ("aircraft_database", "raw_flights") if lake else ():
            path = "raw/flights/day=2022-06-25" if name == "raw_flights" else "reference/aircraft_database.parquet"
            uri = (lake.resolve() / path).as_uri()
            instance.report_runless_asset_event(dg.AssetMaterialization(name, metadata={"dagster/uri": uri}))
        if lake:
            lake.mkdir(parents=True, exist_ok=True)
    return old


def materializations(home: Path) -> int:
    with open_history(home) as instance:
        return len(instance.get_latest_materialization_events([dg.AssetKey("raw_flights")]))


def test_an_old_history_goes_on_where_it_is(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    old = leave_old_history(folder, folder / "data" / "lake")
    assert dagster_home(folder) == old and capfd.readouterr().err == ""
    history(old).dispose()
    assert materializations(old) == 1
    assert recorded_in(old) == lake_of(load_settings())


def test_an_old_history_of_another_lake_stays_with_that(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    real = tmp_path / "lake of mine" / "raw" / "flights"  # a place that looks like a table
    old = leave_old_history(folder, real)
    new = dagster_home(folder)
    told = f"opensky-assets: the history in {old} is of the lake {real}, which its newest run names, and stays there\n"
    assert capfd.readouterr().err == told
    assert new == old / lake_of(load_settings()).digest
    history(new).dispose()
    assert dagster_home(folder) == new and capfd.readouterr().err == ""
    monkeypatch.setenv("OPENSKY_LAKE", str(real))
    assert dagster_home(folder) == old
    history(old).dispose()
    assert materializations(old) == 1


@pytest.mark.parametrize("gone", [True, False], ids=["a lake that is gone", "none"])
def test_an_old_history_that_names_no_lake_is_that_of_the_settings(folder: Path, tmp_path: Path, gone: bool) -> None:
    old = leave_old_history(folder, tmp_path / "before the folder was moved" if gone else None)
    if gone:
        shutil.rmtree(tmp_path / "before the folder was moved")
    assert dagster_home(folder) == old
    history(old).dispose()


def test_an_exported_old_history_of_another_lake_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = leave_old_history(folder, tmp_path / "real")
    monkeypatch.setenv("DAGSTER_HOME", str(old))
    with pytest.raises(SettingsError, match=f"belongs to the lake {tmp_path}/real, not to {folder}/data/lake"):
        dagster_home(folder)


def test_an_old_history_in_a_bucket_does_not_know_its_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = leave_old_history(folder, None)
    with dg.DagsterInstance.from_config(str(old)) as instance:
        uri = "s3://lakes/mine/raw/flights/day=2022-06-25"
        instance.report_runless_asset_event(dg.AssetMaterialization("raw_flights", metadata={"dagster/uri": uri}))
    dagster_home(folder)  # of another lake
    assert recorded_in(old) == HistoryLake("s3://lakes/mine", server=None)
    monkeypatch.setenv("OPENSKY_LAKE", "s3://lakes/mine")
    monkeypatch.setenv("OPENSKY_LAKE_ENDPOINT", "http://127.0.0.1:9000")
    assert home_of(folder, load_settings()) == old


DIE = """
import os, sys
from pathlib import Path
import opensky_assets.dagster_home as home, opensky_assets.history_lake as lake
module, name, after = {"home": home, "lake": lake}[sys.argv[1]], sys.argv[2], sys.argv[3] == "after"
whole = getattr(module, name)
def cut(*arguments, **named):
    if after:
        whole(*arguments, **named)
    os._exit(9)
setattr(module, name, cut)
home.history(home.dagster_home(Path.cwd()))
"""


@pytest.mark.parametrize(
    ("where", "other"),
    [
        ("lake name_first before", False),
        ("lake name_first after", True),
        ("home _write_config after", False),
        ("home claim before", True),
    ],
)
def test_a_kill_in_the_middle_leaves_the_old_history_whole(
    folder: Path, tmp_path: Path, where: str, other: bool
) -> None:
    own = tmp_path / "real" if other else folder / "data" / "lake"
    old = leave_old_history(folder, own)
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    command = [sys.executable, "-c", DIE, *where.split()]
    assert subprocess.run(command, cwd=folder, env=environment, capture_output=True).returncode == 9
    expected = old / lake_of(load_settings()).digest if other else old
    assert dagster_home(folder) == expected
    history(expected).dispose()
    assert home_of(folder, own_settings(own)) == old and materializations(old) == 1


def own_settings(lake: Path) -> Settings:
    return load_settings(lake=str(lake))
