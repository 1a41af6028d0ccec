"""`opensky-assets doctor`: is everything here that a run needs? Each finding is one line, with what to do about it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from opensky_assets.dagster_home import dagster_home, history, history_place
from opensky_assets.engines.spark.errors import SparkUnavailable
from opensky_assets.engines.spark.session import prepare_process
from opensky_assets.ingest.plan import RAW_TABLES
from opensky_assets.lake import LakeError, open_lake
from opensky_assets.schemas import AIRCRAFT_DATABASE
from opensky_assets.settings import Settings, SettingsError, load_settings, misspelt
from opensky_assets.sources.keys import source_kind
from opensky_assets.storage.errors import SourceError
from opensky_assets.storage.files import nearest_folder
from opensky_assets.storage.landing import open_stores
from opensky_assets.wording import plural

PYTHONS = ((3, 11), (3, 13))
MEMORY_PER_WORKER_GB = 0.6
"""Measured: the peak of a worker is 0.4 GB, of the process that runs it 0.2 GB."""

LEAST_FREE_GB = 2.0
PACKAGES = ("dagster", "dagster-webserver", "dagster-dbt", "dbt-duckdb", "polars", "pyarrow", "duckdb", "pyspark")


@dataclass(frozen=True)
class Finding:
    """`advice` is what to do; empty where all is well."""

    what: str
    found: str
    advice: str = ""

    def __str__(self) -> str:
        line = f"{'ok' if not self.advice else 'PROBLEM':<8}{self.what:<11}{self.found}"
        return f"{line}: {self.advice}" if self.advice else line


def doctor(say: Callable[[str], None]) -> int:
    """Look at everything and say it; the number of problems, at most 100."""
    problems = 0
    for finding in findings():
        say(str(finding))
        problems += bool(finding.advice)
    say("all is well" if not problems else plural(problems, "problem"))
    return min(problems, 100)


def findings() -> Iterator[Finding]:
    yield _python()
    yield from _packages()
    yield _dbt()
    try:
        settings = load_settings()
    except SettingsError as error:
        yield Finding("settings", "cannot be used", str(error))
        return
    yield Finding("settings", f"source {settings.source.uri}, lake {settings.lake.uri}, engine {settings.engine}")
    for name, likely in misspelt(os.environ):
        meant = f"did you mean {likely}?" if likely else "the README and docs/automation.md list them"
        yield Finding("settings", name, f"no setting has this name; {meant}")
    yield _memory(settings)
    yield _source(settings)
    yield _lake(settings)
    yield _disk("warehouse", settings.warehouse.resolve().parent, "OPENSKY_WAREHOUSE")
    yield _history(settings)
    yield from _engine(settings)


def _python() -> Finding:
    version = sys.version_info[:2]
    found = f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    if PYTHONS[0] <= version <= PYTHONS[1]:
        return Finding("Python", found)
    first, last = (".".join(map(str, end)) for end in PYTHONS)
    return Finding("Python", found, f"use Python {first} to {last}")


def _packages() -> Iterator[Finding]:
    versions, missing = [], []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    advice = f"{', '.join(missing)} not installed: run `make setup`" if missing else ""
    yield Finding("packages", ", ".join(versions), advice)


def _dbt() -> Finding:
    beside = shutil.which("dbt", path=str(Path(sys.executable).parent))
    if beside:
        return Finding("dbt", beside)
    return Finding(
        "dbt", "not in the environment of this Python", "run `make setup`; dbt has to be installed where Python is"
    )


def _memory(settings: Settings) -> Finding:
    free = psutil.virtual_memory().available / 1e9
    workers = settings.workers or psutil.cpu_count() or 1
    needed = MEMORY_PER_WORKER_GB * workers
    found = f"{free:.1f} GB free; {workers} workers need about {needed:.1f} GB"
    return Finding("memory", found, "set OPENSKY_WORKERS to fewer" if free < needed else "")


def _source(settings: Settings) -> Finding:
    try:
        store = open_stores(settings)
        first = next(store.list(), None)
        kind = source_kind(store)
    except SourceError as error:
        return Finding("source", settings.source.uri, str(error))
    if first is None:
        return Finding("source", store.uri, "it has no object: check OPENSKY_SOURCE, or write one with `make demo`")
    return Finding("source", f"{store.uri} ({kind}) lists {first.key}, …")


def _lake(settings: Settings) -> Finding:
    """Writes a file, reads it and takes it away again."""
    name = f"doctor-{uuid.uuid4().hex[:8]}"
    try:
        lake = open_lake(settings)
        with lake.run() as run:
            staged = run.folder("doctor") / name
            staged.write_text(name)
            lake.publish({name: staged})
            read = lake.files.read(name).decode()
            lake.publish({}, drop=[name])
        broken = sum(len(lake.broken_keys(table)) for table in (*RAW_TABLES, AIRCRAFT_DATABASE.name))
    except LakeError as error:
        return Finding("lake", settings.lake.uri, str(error))
    if read != name:
        return Finding("lake", str(lake), "returned other data than was written: check that it is one store")
    free = lake.files.free_bytes()
    found = f"{lake} can be read and written"
    if broken:
        told = f"{plural(broken, 'object')} whose files are gone or of another size"
        return Finding("lake", f"{lake} has {told}", "run `opensky-assets verify`, then materialize their days again")
    if free is not None:
        found += f", {free / 1e9:.1f} GB free"
        if free < LEAST_FREE_GB * 1e9:
            return Finding("lake", found, "free some space or set OPENSKY_LAKE to a larger disk")
    return Finding("lake", found)


def _disk(what: str, folder: Path, setting: str) -> Finding:
    folder = nearest_folder(folder)
    if not os.access(folder, os.W_OK):
        return Finding(what, str(folder), f"this user may not write there; set {setting}")
    return Finding(what, f"{folder} can be written")


def _history(settings: Settings) -> Finding:
    try:
        home = dagster_home(Path.cwd())
        if settings.postgres_url:
            history(home).dispose()
    except SettingsError as error:
        return Finding("history", "cannot be used", str(error))
    return Finding("history", f"{history_place(home)}; DAGSTER_HOME is {home}")


def _engine(settings: Settings) -> Iterator[Finding]:
    if settings.engine == "local":
        yield Finding("engine", "local: no Java is needed")
        return
    try:
        prepare_process(settings)
    except SparkUnavailable as error:
        yield Finding("engine", "spark", str(error))
        return
    yield Finding("engine", f"spark, with Java in {os.environ.get('JAVA_HOME') or shutil.which('java')}")
    from opensky_assets.resources.spark import SparkResource

    spark = SparkResource()
    try:
        counted = spark.session(settings, lambda text: None).range(1000).count()
        yield Finding("spark", f"{settings.spark.master} works: it counted {counted:,} rows")
    except Exception as error:  # whatever Java, py4j or Spark make of a master that is not there
        told = str(error).strip().splitlines() or [type(error).__name__]
        yield Finding("spark", settings.spark.master, f"does not start ({told[0]}); check the OPENSKY_SPARK_… settings")
    finally:
        spark.stop()
