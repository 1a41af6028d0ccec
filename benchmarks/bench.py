"""Everything in benchmarks/, and what it found as a section of docs/performance.md: `make bench`.

`--size tiny` only proves that all of it runs; `quick`, the default, takes about a quarter of an hour on 2 cores; `full`
takes hours. `--only NAME` runs one, and keeps what the page says of the others. A benchmark that fails is on the page
as failed, and the exit code tells.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from opensky_assets.benchmark.machine import describe_machine
from opensky_assets.settings import load_settings

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "performance.md"
BEGIN, END = "<!-- begin: written by `make bench` -->", "<!-- end: written by `make bench` -->"
SECTION = re.compile(r"^### (?P<name>\S+).*?(?=^### |\Z)", re.MULTILINE | re.DOTALL)

MOST_LINES = 40
"""Of what a benchmark prints, the last lines."""


@dataclass(frozen=True)
class Step:
    """One benchmark: what it is about, and its arguments by size."""

    name: str
    about: str
    program: Sequence[str]
    sizes: dict[str, str]
    java: bool = False


STEPS = (
    Step(
        "ingest_vs_peers",
        "hours of states against other converters",
        ["ingest_vs_peers.py"],
        {
            "tiny": "--objects 1 --rows 20000 --repeats 1 --slow-repeats 1 --growth-repeats 0 --peers ours polars",
            "quick": "--objects 4 --rows 400000 --repeats 3 --slow-repeats 1 --growth-repeats 1 "
            "--peers ours polars polars_sorted duckdb pyarrow floor pandas pyspark",
            "full": "--peers ours polars polars_sorted duckdb pyarrow floor pandas pyspark chdb",
        },
    ),
    Step(
        "flights_vs_peers",
        "flight lists against other converters",
        ["ingest_vs_peers.py", "--table", "flights"],
        {
            "tiny": "--objects 1 --rows 5000 --repeats 1 --slow-repeats 1 --peers ours polars",
            "quick": "--objects 2 --rows 60000 --repeats 3 --slow-repeats 1 --peers ours polars duckdb pyarrow floor",
            "full": "--objects 12 --rows 2000000 --peers ours polars duckdb pyarrow floor pandas",
        },
    ),
    Step(
        "ingest_benchmark",
        "5, 20 %, 50 % and 100 % of the file limit, on both engines",
        ["-m", "opensky_assets.cli", "benchmark"],
        {
            "tiny": "--limit 5 --repeats 1",
            "quick": "--limit 48 --engine local --engine spark",
            "full": "--limit 72 --engine local --engine spark --repeats 7",
        },
    ),
    Step(
        "spark_overhead",
        "what Spark costs on one machine",
        ["spark_overhead.py"],
        {
            "tiny": "--hours 1 --rows 10000 --objects 2 --repeats 1 --enriched-rows 10000 --memory 1g",
            "quick": "--hours 2 --rows 400000 --objects 8 --repeats 2 --enriched-rows 800000",
            "full": "",
        },
        java=True,
    ),
    Step(
        "scaling",
        "how the ingest grows with rows, objects and cores",
        ["scaling.py"],
        {
            "tiny": "--rows 20000 --cores 1 --memory 1g",
            "quick": "--rows 200000",
            "full": "",
        },
        java=True,
    ),
    Step(
        "resync",
        "a sync where nothing changed, and what a day costs a run",
        ["resync.py"],
        {"tiny": "--days 31 --repeats 1", "quick": "--days 120 --repeats 3", "full": ""},
    ),
    Step("new_day", "a new day of marts", ["new_day.py", "LAKE"],
         {"tiny": "--days 3 --repeats 1", "quick": "--days 10 300 --repeats 3", "full": "--days 10 3000"}),
    Step("query_reads", "what a query reads of a day of states", ["query_reads.py", "STATES"],
         {"tiny": "", "quick": "", "full": ""}),
    Step("arrivals", "a tick of the sensor", ["arrivals.py"],
         {"tiny": "--objects 2000", "quick": "--objects 200000", "full": ""}),
    Step("load_time", "loading the definitions", ["load_time.py"], {"tiny": "", "quick": "", "full": ""}),
    Step(
        "monitor_cost",
        "what the monitor costs",
        ["monitor_cost.py"],
        {
            "tiny": "--hours 1 --rows 20000 --objects 2 --repeats 1",
            "quick": "--hours 2 --rows 400000 --objects 8 --repeats 5",
            "full": "",
        },
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A simulated bucket and the lake made of it, for the benchmarks that want one; with a Dagster history."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENSKY_")}
        return kept | {
            "OPENSKY_SOURCE": str(self.folder / "bucket"),
            "OPENSKY_LAKE": str(self.folder / "lake"),
            "OPENSKY_WAREHOUSE": str(self.folder / "warehouse.duckdb"),
            "PYTHONPATH": str(HERE.parent),
        }

    @property
    def states(self) -> Path:
        return self.folder / "lake/raw/state_vectors/day=2022-06-25"


AIRCRAFT = {"tiny": 40, "quick": 300, "full": 3000}


def make_place(folder: Path, size: str) -> Place:
    """Simulate three days and bring them into the lake, once."""
    place = Place(folder / f"place-{size}")
    if not place.states.is_dir():
        shutil.rmtree(place.folder, ignore_errors=True)
        place.folder.mkdir(parents=True)
        for arguments in (
            [
                "simulate",
                "--out",
                str(place.folder / "bucket"),
                "--aircraft",
                str(AIRCRAFT[size]),
                "--no-defects",
                "--quiet",
            ],
            ["materialize", "--from", "2022-06-25", "--to", "2022-06-27"],
        ):
            command = [sys.executable, "-m", "opensky_assets.cli", *arguments]
            subprocess.run(
                command,
                cwd=place.folder,
                env=place.environment,
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=sys.stderr,
            )
    return place


def run(step: Step, size: str, place: Place) -> tuple[str, bool]:
    """The section of the page, and whether the benchmark ended well."""
    given = step.sizes[size].split()
    if step.java and shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        return f"### {step.name}: {step.about}\n\nNot run: it needs Java, and there is none.\n\n", True
    if step.name == "ingest_benchmark" and shutil.which("java") is None:
        given = [word for word in given if word not in ("--engine", "local", "spark")]
    known = {"LAKE": str(place.folder / "lake"), "STATES": str(place.states.relative_to(place.folder) / "*.parquet")}
    first, *rest = [known.get(word, word) for word in step.program]
    program = [first if first == "-m" else str(HERE / first), *rest]
    print(f"== {step.name} {' '.join(given)}", flush=True)
    began = time.monotonic()
    lines = []
    with subprocess.Popen(
        [sys.executable, *program, *given],
        cwd=place.folder,
        env=place.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(COLOUR.sub("", line.rstrip()))
    shown = [line for line in lines if line and not NOISE.search(line)][-MOST_LINES:]
    told = "\n".join(line.replace(str(place.folder), "…").replace(str(HERE.parent), "…") for line in shown)
    failed = f"**Failed**, exit code {process.returncode}. " if process.returncode else ""
    shown_program = [word if word.startswith("-m") else f"benchmarks/{word}" for word in step.program[:1]]
    command = " ".join(["python", *shown_program, *step.program[1:], *given])
    return (
        f"### {step.name}: {step.about}\n\n{failed}`{command}`, {time.monotonic() - began:.0f} s\n\n"
        f"```\n{told}\n```\n\n",
        process.returncode == 0,
    )


COLOUR = re.compile(r"\x1b\[[\d;]*m")
NOISE = re.compile(
    r"^\d{4}-\d\d-\d\d .* - (DEBUG|INFO)|^\d\d:\d\d:\d\d |^\d+ of \d+ |^No dagster instance|BetaWarning"
    r"|^  return fn|WARN|nanobind| - leaked |log4j|^Setting default log level|^To adjust|^simulating|^turns in "
    r"|^(Running with dbt|Registered adapter|Unable to do partial|Found \d+ models|Concurrency:|Finished running)"
    r"|^Completed successfully"
)
"""Logs of Dagster, dbt and Spark, and what only says what is being done."""


def write_page(sections: dict[str, str], size: str) -> None:
    """Put the sections between the markers; what is around them stays."""
    machine, now = describe_machine(), datetime.now(UTC)
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "not known"
    head = (
        f"## All benchmarks, last run\n\n{now.day} {now:%B %Y, %H:%M} UTC, size `{size}`, commit "
        f"{machine['commit'] or 'not known'}, version {machine['version']}. {machine['machine']}; {machine['system']}; "
        f"{machine['libraries']}. Load of the machine at the end: {load}.\n\n"
    )
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    body = f"{BEGIN}\n\n{head}{''.join(sections[step.name] for step in STEPS if step.name in sections)}{END}"
    PAGE.write_text(f"{before.rstrip()}\n\n{body}\n{after.lstrip()}" if rest else f"{text.rstrip()}\n\n{body}\n")


def known_sections() -> dict[str, str]:
    """What the page says by now."""
    between = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    return {found["name"].rstrip(":"): found[0] for found in SECTION.finditer(between)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("tiny", "quick", "full"), default="quick")
    parser.add_argument("--only", action="append", choices=[step.name for step in STEPS])
    parser.add_argument("--folder", type=Path, default=HERE.parent / load_settings().root / "benchmarks")
    parser.add_argument("--no-page", action="store_true", help="print only; docs/performance.md stays as it is")
    args = parser.parse_args()
    place = make_place(args.folder.resolve(), args.size)
    sections = known_sections() if args.only else {}
    failed = []
    for step in STEPS:
        if not args.only or step.name in args.only:
            sections[step.name], well = run(step, args.size, place)
            failed += [] if well else [step.name]
            if not args.no_page:
                write_page(sections, args.size)
    print(f"failed: {', '.join(failed)}" if failed else "all benchmarks ran")
    if not args.no_page:
        print(f"what they found is in {PAGE}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
