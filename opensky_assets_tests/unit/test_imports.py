"""Imports point one way, and importing does nothing."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import opensky_assets

PACKAGE = Path(opensky_assets.__file__).parent
FLOORS = (
    "console",
    "wording",
    "places",
    "progress",
    "bootstrap",
    "package_files",
    "extras",
    "calendar",
    "schemas",
    "settings",
    "storage",
    "lake",
    "sources",
    "datasets",
    "ingest",
    "transforms",
    "engines",
    "research",
    "live",
    "benchmark",
    "report",
    "alerts",
    "dagster_private",
    "partitions",
    "graph",
    "history_lake",
    "dagster_home",
    "resources",
    "io_managers",
    "checks",
    "components",
    "defs",
    "definitions",
    "jobs",
    "cli",
    "devtools",
    "__main__",
)
"""Packages and modules, each of which imports only what stands before it here: so there is no circle between them."""

DOMAIN = FLOORS[: FLOORS.index("dagster_private")]
"""They know about flights, files or engines, and not about Dagster."""

CLASSES = ("resources", "io_managers", "checks", "components")


def modules(*tops):
    for top in tops:
        path = PACKAGE / top
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]:
            parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


def imported(file):
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(("module", "file"), [pytest.param(m, f, id=m) for m, f in modules(*DOMAIN)])
def test_the_domain_knows_nothing_of_dagster(module, file):
    outside = (
        "dagster",
        "dagster_",
        *(f"opensky_assets.{top}" for top in (*CLASSES, "defs", "definitions", "jobs", "cli")),
    )
    assert not [name for name in imported(file) if name.startswith(outside)]


@pytest.mark.parametrize(("module", "file"), [pytest.param(m, f, id=m) for m, f in modules(*CLASSES)])
def test_classes_know_nothing_of_definitions(module, file):
    outside = ("opensky_assets.defs", "opensky_assets.definitions", "opensky_assets.cli", "opensky_assets.jobs")
    assert not [name for name in imported(file) if name.startswith(outside)]


def test_each_floor_imports_only_what_is_below_it():
    upward = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        own = file.relative_to(PACKAGE).with_suffix("").parts[0]
        if own == "__init__":  # the package's own names are for users
            continue
        floors = {name.split(".")[1] for name in imported(file) if name.startswith("opensky_assets.")}
        if above := {floor for floor in floors if FLOORS.index(floor) > FLOORS.index(own)}:
            upward[file.relative_to(PACKAGE).as_posix()] = above
    assert not upward


def test_programs_are_imported_by_the_command_line_alone():
    others = [file for file in PACKAGE.rglob("*.py") if file.parent.name != "jobs"]
    users = {f for f in others if any(name.startswith("opensky_assets.jobs") for name in imported(f))}
    assert users and all(file.is_relative_to(PACKAGE / "cli" / "commands") for file in users)


def test_private_modules_of_dagster_are_imported_in_one_file():
    """A new version of Dagster is looked at there."""
    private = re.compile(r"\bdagster\w*\._|\bdagster_shared\b")
    users = {file.relative_to(PACKAGE).as_posix() for file in PACKAGE.rglob("*.py") if private.search(file.read_text())}
    assert users == {"dagster_private.py"}


IMPORT_ALL = """
import importlib, os, sys, threading
for name in {names!r}:
    importlib.import_module(name)
heavy = {{"dagster", "dagster_dbt", "dbt", "pyspark", "boto3", "botocore", "pandas", "matplotlib", "confluent_kafka"}}
print(sorted(heavy & sys.modules.keys()), os.listdir("."), threading.active_count())
"""


def test_importing_the_domain_does_nothing_and_loads_nothing_heavy(tmp_path):
    """Not even a wrong setting matters, since none is read."""
    code = IMPORT_ALL.format(names=[name for name, _ in modules(*DOMAIN)])
    environment = {
        "PATH": "",
        "PYTHONPATH": str(PACKAGE.parent),
        "OPENSKY_YEAR": "wrong",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout.strip(), done.stderr) == ("[] [] 1", "")
