"""Where Dagster keeps its runs and events: in `data/dagster` or in PostgreSQL, for every command, so that UI, CLI and
daemon share one history. Dagster is imported only where it is needed."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from opensky_assets.bootstrap import lock
from opensky_assets.console import announce
from opensky_assets.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun


HEADER = "# Written by opensky-assets, out of dagster.yaml where it was called: change that one.\n"
DEFAULT = """\
telemetry:
  enabled: false
python_logs:
  managed_python_loggers: [opensky_assets]
  python_log_level: INFO
"""
"""The settings where there is no dagster.yaml."""

POSTGRES_URL = "OPENSKY_POSTGRES_URL"
_STORAGE = f"""
# The history is in PostgreSQL.
storage:
  postgres:
    postgres_url:
      env: {POSTGRES_URL}
"""


LOGS = "_logs"
"""Folder of the lake for what runs print."""

UPLOAD_S = 30
"""So often the log of a step that is running is put into the bucket."""

_LOGS_IN_S3 = """
# What runs print is kept with the lake.
compute_logs:
  module: dagster_aws.s3.compute_log_manager
  class: S3ComputeLogManager
  config:
"""


def home_below(root: Path) -> Path:
    """Where DAGSTER_HOME is; it need not be there."""
    return root.resolve() / "data" / "dagster"


def dagster_home(root: Path) -> Path:
    """The absolute DAGSTER_HOME under `root`, made if missing, with the current `dagster.yaml` of `root` in it, or,
    where there is none, the default: Dagster's telemetry is off, and it collects the package's logs. On POSIX only its
    owner can read it: events hold what users configure and what logs say.

    An exported DAGSTER_HOME that is another folder is ignored, and one line says so. It does not win, because this
    folder's `dagster.yaml` would then overwrite the one of a home that may serve other projects, and because `stop` and
    `status` find the service by its folder, from whatever shell they are called.

    Where `OPENSKY_POSTGRES_URL` is set, the history is there: the copy names the variable, and the environment of this
    process gets it, also out of `.env`. Raises `SettingsError` where a history in PostgreSQL has lost its variable,
    rather than starting an empty one beside it.

    Where the lake is in a bucket, what runs print is kept there too, so that every machine can show it.
    """
    home = home_below(root)
    if (exported := os.environ.get("DAGSTER_HOME")) and Path(exported).resolve() != home.resolve():
        announce(f"DAGSTER_HOME={exported} is ignored: the history of this folder is {home}")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix" and home.stat().st_mode & 0o077 and home.stat().st_uid == os.geteuid():
        home.chmod(0o700)
    settings, copy = root / "dagster.yaml", home / "dagster.yaml"
    there = copy.read_text() if copy.is_file() else ""
    own = "" if there and not there.startswith(HEADER) else DEFAULT
    wanted = settings.read_text() if settings.is_file() else own
    given = load_settings()
    if wanted and not re.search(r"^compute_logs:", wanted, re.MULTILINE):
        wanted += _logs_section(given, home)
    if given.postgres_url is not None:
        if re.search(r"^storage:", wanted, re.MULTILINE):
            raise SettingsError(f"{settings} names a storage of its own: take that out, or unset {POSTGRES_URL}")
        os.environ[POSTGRES_URL] = given.postgres_url.get_secret_value()
        wanted += _STORAGE
    elif POSTGRES_URL in there.partition("\nstorage:")[2]:
        raise SettingsError(
            f"the history of {home} is in PostgreSQL: set {POSTGRES_URL}, or delete {copy} to start one in SQLite"
        )
    if wanted:
        wanted = HEADER + wanted
        if wanted != there:
            # By a rename: another process may be reading it.
            new = home / f"dagster.yaml.{os.getpid()}"
            new.write_text(wanted)
            os.replace(new, copy)
    return home


def _logs_section(settings: Settings, home: Path) -> str:
    """The part of `dagster.yaml` that keeps logs of runs below a lake in a bucket; empty where they stay here.

    Dagster's manager of logs in S3 takes neither profile nor keys: it finds them as AWS's own tools do.
    """
    if not settings.lake.uri.startswith("s3://"):
        return ""
    if settings.lake.profile and settings.lake.profile != os.environ.get("AWS_PROFILE"):
        announce(
            f"logs of runs stay in {home}: export AWS_PROFILE={settings.lake.profile} too to keep them in the bucket "
            "of the lake"
        )
        return ""
    # Servers other than AWS need not know the newer checksums, which the manager cannot be told.
    os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    bucket, _, prefix = settings.lake.uri.removeprefix("s3://").partition("/")
    given = {
        "bucket": bucket,
        "prefix": f"{prefix.strip('/')}/{LOGS}".lstrip("/"),
        "endpoint_url": settings.lake.endpoint,
        "region": settings.lake.region,
        "local_dir": str(home / "storage"),
    }
    config = "".join(f"    {name}: {json.dumps(value)}\n" for name, value in given.items() if value is not None)
    return f"{_LOGS_IN_S3}{config}    skip_empty_files: true\n    upload_interval: {UPLOAD_S}\n"


def history(home: Path) -> DagsterInstance:
    """The Dagster instance of `home`. Its databases are made by one process: two at once make them unusable.

    Raises `SettingsError` where PostgreSQL cannot be reached, or refuses, or has a database that is not in UTF-8.
    """
    if os.environ.get(POSTGRES_URL):
        return _history_in_postgresql(home)
    from dagster import DagsterInstance

    made = home / ".history-made"
    if made.is_file():
        return DagsterInstance.from_config(str(home))
    with lock(home / ".lock", "making Dagster's databases"):
        instance = DagsterInstance.from_config(str(home))
        made.touch()
    return instance


def _history_in_postgresql(home: Path) -> DagsterInstance:
    from dagster import DagsterInstance
    from dagster_postgres.utils import DagsterPostgresException
    from sqlalchemy import NullPool, create_engine
    from sqlalchemy.exc import DBAPIError

    try:
        with create_engine(os.environ[POSTGRES_URL], poolclass=NullPool).connect() as connection:
            encoding: str = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        if encoding != "UTF8":
            raise SettingsError(
                f"{POSTGRES_URL}=…: its database is in {encoding}, which cannot hold every text: make one with "
                "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
            )
        return DagsterInstance.from_config(str(home))
    except (DagsterPostgresException, DBAPIError) as error:
        cause = error if isinstance(error, DBAPIError) else error.__cause__
        reason = " ".join(str(cause.orig if isinstance(cause, DBAPIError) else error).split())
        raise SettingsError(f"{POSTGRES_URL}=…: the history cannot be opened: {reason}") from None


def end_dead_runs(instance: DagsterInstance) -> list[str]:
    """Mark runs as failed that are recorded as started but whose process is gone; returns their ids.

    Dagster does not notice by itself when a command's process is killed: the run would count as running for ever,
    against `max_concurrent_runs` and its pools. A run that a command started is not retried: whoever killed it decides
    that. Nothing is done where the history is in PostgreSQL, which several machines may use.
    """
    from dagster import DagsterRunStatus, RunsFilter

    from opensky_assets.dagster_private import GRPC_INFO_TAG, MAX_RETRIES_TAG

    ended: list[str] = []
    if os.environ.get(POSTGRES_URL):
        return ended
    for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING])):
        pid = dead_process(instance, run)
        if pid is not None:
            if GRPC_INFO_TAG not in run.tags:
                instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: "0"})
            gone = f"Its process (pid {pid}) is gone: it was killed or the machine stopped."
            if run.status is DagsterRunStatus.CANCELING:
                instance.report_run_canceled(run, gone)
            else:
                instance.report_run_failed(run, gone)
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            ended.append(run.run_id)
    return ended


def dead_process(instance: DagsterInstance, run: DagsterRun) -> int | None:
    """The process id of a run whose process is not on this machine; None where it lives or never said which it is."""
    import psutil
    from dagster import DagsterEventType

    starts = [
        (entry.dagster_event.pid, entry.timestamp)
        for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.RUN_START)
        if entry.dagster_event is not None
    ]
    if not starts or starts[-1][0] is None:
        return None
    pid, started = starts[-1]
    try:
        # A process that is younger than the run has only inherited the number.
        process = psutil.Process(pid)
        alive = process.create_time() <= started + 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        alive = False
    return None if alive else pid
