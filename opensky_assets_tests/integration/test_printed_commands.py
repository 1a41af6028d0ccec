"""Every command that README, docs and a run's output print runs as it is printed, in a folder with a small lake."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from opensky_assets_tests.commands import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DAY = "2022-06-25"
PROGRAMS = r"(?:opensky-assets|make|dagster|dg|duckdb|python3?|pip|docker|systemctl|aws)"
A_COMMAND = re.compile(rf"(?:[A-Z_]+=\S+ )*(?:{PROGRAMS}|cp|export|\.) [^…]+")
INLINE = re.compile(rf"`({PROGRAMS}\s[^`…]+)`")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
IN_OUTPUT = re.compile(r"\$ (dagster .*)|^query +(.*)|^UI +(.*), then http", re.MULTILINE)

NOT_RUN = {
    r"(opensky-assets|python3? -m opensky_assets) (dev|start|status|stop)\b": "the UI: services/test_service.py",
    r"(opensky-assets|python3? -m opensky_assets) demo": "minutes of simulated traffic: what it ends with is run here",
    r"python3? -m opensky_assets test": "the tests themselves",
    r"python3? -m opensky_assets probe": "OpenSky's bucket; integration/test_probe.py has one like it",
    r"opensky-assets collect(?! --plan)": "OpenSky's API, or recorded polls: integration/test_collect.py",
    r"opensky-assets report .*--open": "serves the page until Ctrl-C: unit/jobs/test_show_report.py",
    r"opensky-assets benchmark": "minutes: integration/test_benchmark.py",
    r"opensky-assets backfill .*2021": "a year of days: integration/test_backfill.py",
    r"OPENSKY_ENGINE=spark ": "Spark: services/test_s3_spark.py",
    r"dg launch --job": "integration/test_launched_jobs.py",
    r"dg (scaffold|check|list)": "works on the checkout itself: dagster/test_components.py",
    r"dagster job backfill": "is named as what not to do",
    r"docker |cp deploy/|systemctl ": "needs Docker or systemd: soak/test_containers.py, unit/test_deploy.py",
    r"opensky-assets --install-completion": "changes the settings of the user's shell",
    r"opensky-assets .*( DAY| TIME|2022-06-26)": "needs a day or an aircraft of the reader's lake",
    r"aws ": "the AWS CLI, for the bucket of the containers",
    r"pip install": "reaches the package index",
    r"export .*(OPENSKY_SPARK|OPENSKY_ENV|SOURCE=s3|LAKE=data/opensky)|\. \.venv": "for a command that is not run",
    r"python3? (benchmarks/|-m opensky_assets_tests)": "minutes, on the checkout itself",
    r"opensky-assets (materialize|backfill|sql)$": "is named without its arguments",
    r"opensky-assets tables (raw_metar|--markdown|--dbt)": "of a table that is to be added; writes a file: unit/jobs",
    r"opensky-assets sql .*aircraft_by_hour": "the mart that docs/marts.md adds: integration/test_own_marts.py",
}


@dataclass(frozen=True)
class Printed:
    """A command, and where it stands."""

    command: str
    where: str

    @property
    def why_not(self) -> list[str]:
        """The entries of `NOT_RUN` that match."""
        return [pattern for pattern in NOT_RUN if re.match(pattern, self.command)]


def commands_in(path: Path) -> Iterator[Printed]:
    """Those of the blocks without a language, or of a shell, in order, and those in sentences."""
    text, name = path.read_text(), path.relative_to(ROOT).as_posix()
    for language, block in BLOCK.findall(text):
        for line in ("" if language not in ("", "sh", "bash", "console") else block).replace("\\\n", " ").splitlines():
            command = re.sub(r"\s+# .*|\s{2,}", lambda gap: "" if "#" in gap[0] else " ", line).removeprefix("$ ")
            if A_COMMAND.fullmatch(command):
                yield Printed(command, name)
    for command in INLINE.findall(BLOCK.sub("", text)):
        yield Printed(" ".join(command.split()), name)


def in_docs() -> list[Printed]:
    """Not of what benchmarks wrote (`performance.md`), nor of what is for whoever changes the code (`design.md`)."""
    pages = [page for page in (ROOT / "docs").glob("*.md") if page.name not in ("performance.md", "design.md")]
    return [printed for page in (ROOT / "README.md", *sorted(pages)) for printed in commands_in(page)]


class Shell:
    """A folder with a small lake in `data/`, and the environment that `export` changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {n: v for n, v in os.environ.items() if not n.startswith("OPENSKY_") and n != "DAGSTER_HOME"}
        beside = Path(sys.executable).parent
        own = {"PYTHONPATH": str(ROOT), "OPENSKY_SOURCE": str(folder / "data" / "opensky")}
        self.environment = kept | own | {"PATH": f"{beside}{os.pathsep}{os.environ['PATH']}"}

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        if command == "export DAGSTER_HOME=$(opensky-assets home)":
            self.environment["DAGSTER_HOME"] = self.run("opensky-assets home").stdout.strip()
            return subprocess.CompletedProcess(command, 0, "")
        if command.startswith("export "):
            for word in shlex.split(command)[1:]:
                name, _, value = word.partition("=")
                self.environment[name] = re.sub(r"^/data", str(self.folder / "data"), value)
            return subprocess.CompletedProcess(command, 0, "")
        return subprocess.run(
            command if not command.startswith("make ") else f"{command} --dry-run",  # which runs another command here
            shell=True,
            cwd=ROOT if command.startswith("make ") else self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("first_hour")


@pytest.fixture(scope="module")
def output(folder: Path) -> str:
    """What `materialize` says, which ends as the demo does."""
    shell = Shell(folder)
    small = "--days 1 --aircraft 40 --states-hours 1 --no-defects --quiet"
    assert shell.run(f"opensky-assets simulate --out data/opensky --start {DAY} {small}").returncode == 0
    done = shell.run(f"python3 -m opensky_assets materialize --from {DAY} --to {DAY}")
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_each_reason_is_of_a_command_that_there_is() -> None:
    used = {pattern for printed in in_docs() for pattern in printed.why_not}
    assert NOT_RUN.keys() - used <= {r"dagster job backfill"}


@pytest.mark.usefixtures("output")
def test_commands_of_the_docs_run_as_printed(folder: Path) -> None:
    failed = {}
    for page in dict.fromkeys(printed.where for printed in in_docs()):
        shell = Shell(folder)
        for printed in in_docs():
            if printed.where == page and not printed.why_not:
                done = shell.run(printed.command)
                if done.returncode:
                    failed[printed] = done.stdout[-500:]
    assert not failed


def test_commands_of_a_run_s_output_run_as_printed(folder: Path, output: str) -> None:
    printed = [Printed(next(filter(None, found)), "output") for found in IN_OUTPUT.findall(output)]
    run = [one.command for one in printed if not one.why_not]
    assert len(run) >= 2 and any(" sql " in command for command in run)
    shell = Shell(folder)
    shell.run("export DAGSTER_HOME=$(opensky-assets home)")
    for command in (run[0], *(command for command in run if " sql " in command)):
        done = shell.run(command)
        assert done.returncode == 0, done.stdout
    assert "Finished running" not in output, "what dbt prints is in the log"
    (log,) = re.findall(r"^log +(.*)$", output, re.MULTILINE)
    assert "Finished running" in Path(log).read_text()


@pytest.mark.usefixtures("output")
def test_a_plan_of_a_lake_that_is_up_to_date_says_that_nothing_is_to_do(folder: Path) -> None:
    shell = Shell(folder)
    done = shell.run("opensky-assets plan")
    assert done.returncode == 0 and "nothing to do: the lake has every object" in done.stdout, done.stdout
    assert "flights: 1 object (0 new" in done.stdout and "1 day has objects, in 1 run: 2022-06-25" in done.stdout
    shell.environment["OPENSKY_SOURCE"] = str(folder / "data" / "other")
    assert shell.run("opensky-assets simulate --out data/other --states-hours 0 --aircraft 20 --quiet").returncode == 0
    refused = shell.run("opensky-assets plan")
    assert refused.returncode == 1 and "holds rows of the simulated source" in refused.stdout
    assert refused.stdout.count("\n") == 1


@pytest.mark.usefixtures("output")
def test_queries_of_the_docs_run_as_printed(folder: Path) -> None:
    from opensky_assets.lake.connect import connect

    blocks = [block for page in sorted((ROOT / "docs").glob("*.md")) for block in BLOCK.findall(page.read_text())]
    queries = [
        text for language, text in blocks if language == "sql" and "read_csv" not in text and "{{" not in text
    ]  # of the lake's tables, and no models of dbt
    assert len(queries) >= 5
    with connect(folder / "data" / "lake") as connection:
        for query in queries:
            connection.sql(query).fetchall()
