"""`doctor`, `settings`, `probe`, `benchmark`: whether things work, and how fast."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from opensky_assets.cli.interrupts import when_interrupted
from opensky_assets.cli.options import at_least, one_of, raw_tables
from opensky_assets.cli.panels import CHECK, examples
from opensky_assets.console import say

ENGINES = ("local", "spark")

app = typer.Typer()


@app.command(rich_help_panel=CHECK, epilog=examples("doctor"))
@when_interrupted("run it again")
def doctor() -> int:
    """Check everything that a run needs, one line each; the exit code is the number of problems."""
    from opensky_assets.jobs.doctor import doctor as run

    return run(say)


@app.command(rich_help_panel=CHECK, epilog=examples("settings"))
def settings() -> int:
    """Print all settings with description, default and unit, as a file .env to start from."""
    from opensky_assets.jobs.env_example import env_example

    sys.stdout.buffer.write(env_example().encode())
    return 0


@app.command(rich_help_panel=CHECK, epilog=examples("probe", "probe --hour 2022-06-27-05"))
@when_interrupted("its scratch lake is removed, nothing else was changed")
def probe(
    endpoint: Annotated[str, typer.Option(metavar="URL", help="The S3 server.")] = "https://s3.opensky-network.org",
    bucket: Annotated[str, typer.Option(metavar="BUCKET", help="The bucket on this server.")] = "data-samples",
    hour: Annotated[str, typer.Option(metavar="HOUR", help="The hour, as 2022-06-27-04.")] = "2022-06-27-04",
) -> int:
    """List OpenSky's public bucket and ingest one hour of it into a scratch lake."""
    from opensky_assets.jobs.probe import probe as run

    return run(endpoint, bucket, hour)


@app.command(rich_help_panel=CHECK, epilog=examples("benchmark", "benchmark --limit 10 --engine local --engine spark"))
@when_interrupted("this measurement is not kept, earlier ones stay; run the same command again")
def benchmark(
    table: Annotated[
        str | None,
        typer.Option(
            metavar="TABLE",
            help="Raw table to read; by default state_vectors, if the source has any.",
            **one_of(raw_tables),
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="FILES",
            callback=at_least(1),
            help="Objects of the largest scenario; by default OPENSKY_FILE_LIMIT, else 50.",
        ),
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option(metavar="|".join(ENGINES), help="What computes; can be given twice.", **one_of(lambda: ENGINES)),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            callback=at_least(1),
            help="Processes that read objects; by default OPENSKY_WORKERS, else all cores.",
        ),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(metavar="N", callback=at_least(1), help="Runs of each scenario, by default 3.")
    ] = None,
    cold: Annotated[bool, typer.Option("--cold", help="Drop the files from the page cache before each run.")] = False,
    repeat_files: Annotated[
        bool, typer.Option("--repeat-files", help="Read files several times if there are too few.")
    ] = False,
) -> int:
    """Measure the ingest of 5 objects, and of 20 %, 50 % and 100 % of the file limit."""
    from opensky_assets.benchmark.history import CSV_PATH
    from opensky_assets.jobs.materialize import run_benchmark
    from opensky_assets.lake import open_lake
    from opensky_assets.report.benchmark import PAGE
    from opensky_assets.settings import load_settings

    given = {"table": table, "limit": limit, "workers": workers, "engines": engine}
    flags = {"cold": cold, "repeat_files": repeat_files, "repeats": repeats}
    code = run_benchmark(Path.cwd(), {name: value for name, value in {**given, **flags}.items() if value})
    if code == 0:
        lake = open_lake(load_settings())
        say(lake.files.read(CSV_PATH).decode().rstrip())
        say(f"the page: {lake.address(PAGE)}")
    return code
