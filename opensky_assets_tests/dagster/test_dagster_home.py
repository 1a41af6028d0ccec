"""One history for every command: its settings, its making by several processes, the runs that were killed."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from opensky_assets.dagster_home import dagster_home, end_dead_runs, history
from opensky_assets.resources.launcher import WatchedRunLauncher
from opensky_assets.settings import SettingsError

ROOT = Path(__file__).resolve().parents[2]

RUN_AND_WAIT = """
import sys, time
import dagster as dg
from opensky_assets.dagster_home import history
from pathlib import Path

@dg.asset(pool="duckdb")
def slow() -> None:
    print("running", flush=True)
    time.sleep(120)

dg.materialize([slow], instance=history(Path(sys.argv[1])))
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    return dagster_home(tmp_path)


def test_the_settings_are_copied_and_follow_a_change(tmp_path: Path, home: Path) -> None:
    assert home == tmp_path / "data" / "dagster"
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    assert dagster_home(tmp_path) == home
    assert (home / "dagster.yaml").read_text().endswith("\ntelemetry:\n  enabled: false\n")
    assert sorted(path.name for path in home.iterdir()) == ["dagster.yaml"]


def test_without_settings_telemetry_is_off_and_what_a_user_wrote_stays(tmp_path: Path) -> None:
    home = dagster_home(tmp_path)
    with history(home) as instance:
        assert not instance.telemetry_enabled
    (home / "dagster.yaml").write_text("nux:\n  enabled: false\n")
    dagster_home(tmp_path)
    assert (home / "dagster.yaml").read_text() == "nux:\n  enabled: false\n"


@pytest.mark.parametrize("file", [True, False], ids=["dagster.yaml", "no file"])
def test_what_the_package_logs_in_a_step_is_in_the_log_of_the_run(tmp_path: Path, file: bool) -> None:
    @dg.asset
    def logging_asset(context: dg.AssetExecutionContext) -> None:
        logger = logging.getLogger("opensky_assets.ingest.sync")
        logger.debug("a detail")
        logger.info("progress")
        logger.warning("a warning")
        logging.getLogger("another_library").warning("not ours")
        context.log.info("by Dagster")

    if file:
        (tmp_path / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    with history(dagster_home(tmp_path)) as instance:
        run_id = dg.materialize([logging_asset], instance=instance).run_id
        lines = [entry for entry in instance.all_logs(run_id) if entry.dagster_event is None]
    assert [(entry.level, entry.user_message) for entry in lines] == [
        (logging.INFO, "progress"),
        (logging.WARNING, "a warning"),
        (logging.INFO, "by Dagster"),
    ]
    assert {entry.step_key for entry in lines} == {"logging_asset"}


def test_the_settings_load(home: Path) -> None:
    with history(home) as instance:
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_enabled
        assert isinstance(instance.run_launcher, WatchedRunLauncher)
        assert instance.run_launcher.supports_check_run_worker_health
        assert instance.run_retries_enabled and not instance.run_retries_retry_on_asset_or_op_failure
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None and queue.max_concurrent_runs == 2
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        home = dagster_home(tmp_path)
        assert home.stat().st_mode & 0o777 == 0o700
        home.chmod(0o755)
        assert dagster_home(tmp_path).stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)


def test_an_exported_home_is_ignored_and_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    monkeypatch.setenv("DAGSTER_HOME", str(other))
    home = dagster_home(tmp_path)
    wanted = f"opensky-assets: DAGSTER_HOME={other} is ignored: the history of this folder is {home}\n"
    assert capfd.readouterr().err == wanted
    assert not other.exists()
    for same in (str(home), f"{tmp_path}/data/../data/dagster/"):
        monkeypatch.setenv("DAGSTER_HOME", same)
        dagster_home(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME")
    dagster_home(tmp_path)
    assert capfd.readouterr().err == ""


def test_postgresql_is_named_by_its_variable_and_never_by_its_value(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("OPENSKY_POSTGRES_URL=postgresql+psycopg2://u:hunter2@127.0.0.1:5/history\n")
    monkeypatch.setenv("OPENSKY_POSTGRES_URL", "")  # so that what is set below ends with the test
    monkeypatch.delenv("OPENSKY_POSTGRES_URL")
    dagster_home(tmp_path)
    storage = yaml.safe_load((home / "dagster.yaml").read_text())["storage"]
    assert storage == {"postgres": {"postgres_url": {"env": "OPENSKY_POSTGRES_URL"}}}
    assert os.environ["OPENSKY_POSTGRES_URL"].startswith("postgresql+psycopg2://u:hunter2@")
    assert not [path for path in home.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
    monkeypatch.delenv("OPENSKY_POSTGRES_URL")

    (tmp_path / ".env").unlink()
    with pytest.raises(SettingsError, match="is in PostgreSQL: set OPENSKY_POSTGRES_URL"):
        dagster_home(tmp_path)
    (home / "dagster.yaml").unlink()
    assert "storage" not in yaml.safe_load((dagster_home(tmp_path) / "dagster.yaml").read_text())

    (tmp_path / "dagster.yaml").write_text("storage:\n  sqlite:\n    base_dir: elsewhere\n")
    monkeypatch.setenv("OPENSKY_POSTGRES_URL", "postgresql+psycopg2://u:hunter2@127.0.0.1:5/history")
    with pytest.raises(SettingsError, match="a storage of its own"):
        dagster_home(tmp_path)


def test_a_killed_run_is_ended_and_a_living_one_is_not(home: Path) -> None:
    command = [sys.executable, "-c", RUN_AND_WAIT, str(home)]
    # Both at once, on a history that is not there yet.
    workers = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in range(2)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None and worker.stdout.readline() == "running\n"
        workers[0].kill()
        workers[0].wait()
        with history(home) as instance:
            ended = end_dead_runs(instance)
            assert len(ended) == 1
            states = {run.run_id: run.status for run in instance.get_runs()}
            assert states.pop(ended[0]) is dg.DagsterRunStatus.FAILURE
            assert list(states.values()) == [dg.DagsterRunStatus.STARTED]
            assert end_dead_runs(instance) == []
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
