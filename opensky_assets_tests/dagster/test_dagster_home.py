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
from opensky_assets.history_lake import lake_of
from opensky_assets.resources.launcher import WatchedRunLauncher
from opensky_assets.settings import SettingsError, load_settings

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


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    return dagster_home(tmp_path)


def test_the_settings_are_copied_and_follow_a_change(tmp_path: Path, home: Path) -> None:
    assert home == tmp_path / "data" / "dagster" / lake_of(load_settings()).digest
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    assert dagster_home(tmp_path) == home
    assert (home / "dagster.yaml").read_text().endswith("\ntelemetry:\n  enabled: false\n")
    assert sorted(path.name for path in home.iterdir()) == ["dagster.yaml", "lake.json"]


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


def test_an_exported_home_wins_and_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    other, base = tmp_path / "other", tmp_path / "data" / "dagster"
    monkeypatch.setenv("DAGSTER_HOME", str(other))
    assert dagster_home(tmp_path) == other and (other / "dagster.yaml").is_file()
    told = f"opensky-assets: DAGSTER_HOME={other} is exported: the history is there, not below {base}\n"
    assert capfd.readouterr().err == told
    assert not base.exists()
    for below in (str(base), f"{tmp_path}/data/../data/dagster/"):
        monkeypatch.setenv("DAGSTER_HOME", below)
        assert dagster_home(tmp_path) == base
    monkeypatch.delenv("DAGSTER_HOME")
    assert dagster_home(tmp_path) == base  # it is the lake's by now
    assert capfd.readouterr().err == ""


def test_the_settings_of_an_exported_home_stay_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "dagster.yaml").write_text("nux:\n  enabled: false\n")
    (tmp_path / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    monkeypatch.setenv("DAGSTER_HOME", str(other))
    dagster_home(tmp_path)
    assert (other / "dagster.yaml").read_text() == "nux:\n  enabled: false\n"
    monkeypatch.setenv("OPENSKY_POSTGRES_URL", "postgresql+psycopg2://u:hunter2@127.0.0.1:5/history")
    with pytest.raises(SettingsError, match="does not name OPENSKY_POSTGRES_URL: add storage: ") as raised:
        dagster_home(tmp_path)
    assert "hunter2" not in str(raised.value)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="/proc takes no folder, not even of root")
def test_a_home_that_cannot_be_made_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSKY_ROOT", "/proc/data")
    with pytest.raises(SettingsError, match=r"history cannot be in /proc/data/dagster/\w+ \(.*\): set OPENSKY_ROOT"):
        dagster_home(tmp_path)


def test_postgresql_is_named_by_its_variable_and_never_by_its_value(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


@pytest.fixture
def in_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSKY_LAKE", "s3://lakes/a/b/")
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "")  # so that what is set below ends with the test
    monkeypatch.delenv("AWS_REQUEST_CHECKSUM_CALCULATION")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


def test_logs_of_runs_are_kept_with_a_lake_in_a_bucket(
    tmp_path: Path, in_bucket: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = dagster_home(tmp_path)
    logs = yaml.safe_load((home / "dagster.yaml").read_text())["compute_logs"]
    assert (logs["module"], logs["class"]) == ("dagster_aws.s3.compute_log_manager", "S3ComputeLogManager")
    wanted = {"bucket": "lakes", "prefix": "a/b/_logs", "local_dir": str(home / "storage")}
    assert logs["config"] == wanted | {"skip_empty_files": True, "upload_interval": 30}
    monkeypatch.setenv("OPENSKY_LAKE", "s3://lakes")
    monkeypatch.setenv("OPENSKY_LAKE_ENDPOINT", "http://127.0.0.1:9000")
    monkeypatch.setenv("OPENSKY_LAKE_REGION", "somewhere")
    config = yaml.safe_load((dagster_home(tmp_path) / "dagster.yaml").read_text())["compute_logs"]["config"]
    assert (config["prefix"], config["endpoint_url"]) == ("_logs", "http://127.0.0.1:9000")
    assert config["region"] == "somewhere"

    (tmp_path / "dagster.yaml").write_text("compute_logs:\n  module: mine\n  class: Mine\n")
    assert yaml.safe_load((dagster_home(tmp_path) / "dagster.yaml").read_text())["compute_logs"]["class"] == "Mine"
    (tmp_path / "dagster.yaml").unlink()
    monkeypatch.setenv("OPENSKY_LAKE", str(tmp_path / "lake"))
    assert "compute_logs" not in (dagster_home(tmp_path) / "dagster.yaml").read_text()


def test_logs_stay_here_where_the_profile_is_another(
    tmp_path: Path, in_bucket: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The manager of logs takes no profile: with another one it would put them elsewhere, or fail."""
    monkeypatch.setenv("OPENSKY_LAKE_PROFILE", "opensky")
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    for exported in (None, "another"):
        if exported:
            monkeypatch.setenv("AWS_PROFILE", exported)
        home = dagster_home(tmp_path)
        assert "compute_logs" not in (home / "dagster.yaml").read_text()
        wanted = f"opensky-assets: logs of runs stay in {home}: export AWS_PROFILE=opensky too to keep them in the "
        assert capfd.readouterr().err == f"{wanted}bucket of the lake\n"
    monkeypatch.setenv("AWS_PROFILE", "opensky")
    assert "compute_logs" in (dagster_home(tmp_path) / "dagster.yaml").read_text()
    assert capfd.readouterr().err == ""


@dg.asset
def chatty() -> None:
    print("said by the asset")


@pytest.mark.slow
def test_what_a_run_prints_is_in_the_bucket_and_a_bucket_that_is_gone_fails_no_run(
    tmp_path: Path, in_bucket: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-to-be-shown")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("OPENSKY_LAKE_ENDPOINT", f"http://{host}:{port}")
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
        client.create_bucket(Bucket="lakes")
        home = dagster_home(tmp_path)
        assert "not-to-be-shown" not in (home / "dagster.yaml").read_text()
        with history(home) as instance:
            assert dg.materialize([chatty], instance=instance).success
        found = client.list_objects_v2(Bucket="lakes", Prefix="a/b/_logs/")["Contents"]
        texts = {
            entry["Key"]: client.get_object(Bucket="lakes", Key=entry["Key"])["Body"].read().decode() for entry in found
        }
        assert any(key.endswith(".out") and "said by the asset" in text for key, text in texts.items())
    finally:
        server.stop()
    with history(home) as instance:
        assert dg.materialize([chatty], instance=instance).success


def test_a_killed_run_is_ended_and_a_living_one_is_not(tmp_path: Path, home: Path) -> None:
    command = [sys.executable, "-c", RUN_AND_WAIT, str(home)]
    # Both at once, on a history that is not there yet.
    workers = [
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
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
