"""Where Dagster keeps its runs and events: for every command in the same folder, or in PostgreSQL, so that UI, CLI and
daemon share one history; one history for each lake (`history_lake.py`). Dagster is imported only where it is needed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opensky_assets.bootstrap import lock
from opensky_assets.console import announce
from opensky_assets.history_lake import (
    HistoryLake,
    claim,
    lake_of,
    lake_of_runs,
    record_anew,
    record_in,
    recorded_in,
    require_same,
)
from opensky_assets.package_files import package_path
from opensky_assets.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun


HEADER = "# Written by opensky-assets, out of dagster.yaml where it was called: change that one.\n"
POSTGRES_URL = "OPENSKY_POSTGRES_URL"
_STORAGE = f"""
# The history is in PostgreSQL.
storage:
  postgres:
    postgres_url:
      env: {POSTGRES_URL}
"""


CONFIG = "dagster.yaml"

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


def homes_folder(folder: Path, settings: Settings) -> Path:
    """Where the histories of a folder's lakes are: of each lake one, below. An older version kept its one history in
    this folder itself, where it stays."""
    return (folder / settings.root).resolve() / "dagster"


def homes(folder: Path, settings: Settings) -> Iterator[Path]:
    """Every DAGSTER_HOME that there is below the root."""
    base = homes_folder(folder, settings)
    yield from (home.parent for home in (base / CONFIG, *sorted(base.glob(f"*/{CONFIG}"))) if home.is_file())


def home_of(folder: Path, settings: Settings) -> Path:
    """DAGSTER_HOME of the lake of the settings; it need not be there.

    An exported DAGSTER_HOME wins. Else it is the folder below the root whose record names the lake, or a new one.
    """
    if exported := os.environ.get("DAGSTER_HOME"):
        return Path(exported).expanduser().resolve()
    lake = lake_of(settings)
    own = homes_folder(folder, settings) / lake.digest
    for home in (own, *homes(folder, settings)):
        if (recorded := recorded_in(home)) and recorded.is_same(lake.in_home(home, settings)):
            return home
    return own


def dagster_home(root: Path, moved: bool = False) -> Path:
    """The absolute DAGSTER_HOME for the lake of the settings (`home_of`), made if missing, with the current
    `dagster.yaml` of `root` in it, or, where there is none, the package's own. On POSIX only its owner can read it:
    events hold what users configure and what logs say.

    An exported DAGSTER_HOME that is not below the root is announced in one line. A `dagster.yaml` that is there already
    and that this package did not write stays as it is, since such a home may serve other projects.

    Where `OPENSKY_POSTGRES_URL` is set, the history is there: the copy names the variable, and the environment of this
    process gets it, also out of `.env`. Raises `SettingsError` where a history in PostgreSQL has lost its variable,
    rather than starting an empty one beside it, and where the history in the folder is of another lake.

    Where the lake is in a bucket, what runs print is kept there too, so that every machine can show it.

    `moved` lets a history be of another lake: whoever says so moves it (`move_history`).
    """
    settings = load_settings()
    export_postgresql(settings)
    record_old_history(root, settings)
    base, home = homes_folder(root, settings), home_of(root, settings)
    elsewhere = not home.is_relative_to(base)
    if elsewhere:
        announce(f"DAGSTER_HOME={os.environ['DAGSTER_HOME']} is exported: the history is there, not below {base}")
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name == "posix" and home.stat().st_mode & 0o077 and home.stat().st_uid == os.geteuid():
            home.chmod(0o700)
        lake = lake_of(settings).in_home(home, settings)
        if not moved:
            require_same(recorded_in(home) or lake, lake, str(home))
        _write_config(root, home, settings, may_replace=not elsewhere)
        record_in(home, lake)
    except OSError as error:
        which = "export another DAGSTER_HOME" if elsewhere else "set OPENSKY_ROOT to a folder where you may write"
        raise SettingsError(f"Dagster's history cannot be in {home} ({error.strerror}): {which}") from None
    return home


def export_postgresql(settings: Settings) -> None:
    """Give the address of PostgreSQL to this process, where Dagster looks for it."""
    if settings.postgres_url is not None:
        os.environ[POSTGRES_URL] = settings.postgres_url.get_secret_value()


def record_old_history(folder: Path, settings: Settings) -> None:
    """Record the lake of a history that an older version left: the one that its newest run names, else that of the
    settings. The history stays where it is, since a service may be running on it."""
    exported = bool(os.environ.get("DAGSTER_HOME"))
    home = home_of(folder, settings) if exported else homes_folder(folder, settings)
    if not (home / CONFIG).is_file() or recorded_in(home) is not None:
        return
    lake = lake_of(settings).in_home(home, settings)
    recorded = record_in(home, _lake_of_old(home, lake, settings) or lake)
    if not exported and not recorded.is_same(lake):
        announce(f"the history in {home} is of the lake {recorded}, which its newest run names, and stays there")


def _lake_of_old(home: Path, lake: HistoryLake, settings: Settings) -> HistoryLake | None:
    if _is_in_postgresql(home):
        _require_postgresql(home, settings)
        with _open_postgresql(home) as instance:
            return lake_of_runs(instance, lake)
    if (home / "history").is_dir():
        with _open(home) as instance:
            return lake_of_runs(instance, lake)
    return None


def _is_in_postgresql(home: Path) -> bool:
    config = home / CONFIG
    return config.is_file() and POSTGRES_URL in config.read_text().partition("\nstorage:")[2]


def _require_postgresql(home: Path, settings: Settings) -> None:
    if settings.postgres_url is None and _is_in_postgresql(home):
        raise SettingsError(
            f"the history of {home} is in PostgreSQL: set {POSTGRES_URL}, or delete {home / CONFIG} to start one in "
            "SQLite"
        )


def _write_config(folder: Path, home: Path, settings: Settings, may_replace: bool) -> None:
    """Bring the `dagster.yaml` of a home in line with the one of the folder, and with the settings."""
    source, copy = folder / CONFIG, home / CONFIG
    there = copy.read_text() if copy.is_file() else ""
    is_own = not there or there.startswith(HEADER)
    _require_postgresql(home, settings)
    if not is_own and not may_replace:
        if settings.postgres_url is not None and not _is_in_postgresql(home):
            raise SettingsError(
                f"{copy} does not name {POSTGRES_URL}: add storage: {{postgres: {{postgres_url: {{env: "
                f"{POSTGRES_URL}}}}}}}, or unset one of {POSTGRES_URL} and DAGSTER_HOME"
            )
        return
    if not source.is_file() and is_own:
        source = package_path("dagster.yaml")
    wanted = source.read_text(encoding="utf-8") if source.is_file() else ""
    if wanted and not re.search(r"^compute_logs:", wanted, re.MULTILINE):
        wanted += _logs_section(settings, home)
    if settings.postgres_url is not None:
        if re.search(r"^storage:", wanted, re.MULTILINE):
            raise SettingsError(f"{source} has a storage of its own: remove it, or unset {POSTGRES_URL}")
        wanted += _STORAGE
    if wanted and HEADER + wanted != there:
        # By a rename: another process may be reading it.
        new = home / f"{CONFIG}.{os.getpid()}"
        new.write_text(HEADER + wanted)
        os.replace(new, copy)


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
    """The Dagster instance of `home`, which is of the lake of the settings. Its databases are made by one process: two
    at once make them unusable.

    Raises `SettingsError` where it is of another lake, and where PostgreSQL cannot be reached, or refuses, or has a
    database that is not in UTF-8.
    """
    instance = open_history(home)
    try:
        require_lake(instance, load_settings())
    except BaseException:
        instance.dispose()
        raise
    return instance


def require_lake(instance: DagsterInstance, settings: Settings) -> None:
    """Raise `SettingsError` where a history is of another lake; one that has no record records this lake."""
    home = Path(instance.root_directory).resolve()
    place = history_place(home) if os.environ.get(POSTGRES_URL) else str(home)
    claim(instance, lake_of(settings).in_home(home, settings), place)


def open_history(home: Path) -> DagsterInstance:
    """The same, whichever lake it is of."""
    if os.environ.get(POSTGRES_URL):
        return _open_postgresql(home)
    made = home / ".history-made"
    if made.is_file():
        return _open(home)
    with lock(home / ".lock", "making Dagster's databases"):
        instance = _open(home)
        made.touch()
    return instance


def move_history(home: Path) -> HistoryLake:
    """Make the history in `home` that of the lake of the settings, because that was moved; the lake."""
    settings = load_settings()
    lake = lake_of(settings).in_home(home, settings)
    with open_history(home) as instance:
        record_anew(instance, home, lake)
    return lake


def history_place(home: Path) -> str:
    """Where the history of `home` is, as messages name it: without user and password."""
    url = os.environ.get(POSTGRES_URL)
    if not url:
        return f"SQLite in {home}"
    place = urlsplit(url)
    return f"PostgreSQL, database {place.path.strip('/')} at {place.hostname or 'a socket'}"


def _open(home: Path) -> DagsterInstance:
    from dagster import DagsterInstance

    return DagsterInstance.from_config(str(home))


def _open_postgresql(home: Path) -> DagsterInstance:
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
        return _open(home)
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
