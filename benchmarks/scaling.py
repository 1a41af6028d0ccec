"""How time grows with rows, objects and executors, and what a year costs: `python benchmarks/scaling.py`.

Ingest: simulated hours of states, few and many, small and large, into empty lakes. Enrichment: a day of few and of many
rows. Each by the local engine and by Spark, with one core and with two, each combination in a process of its own, the
ingest after a warm-up. Prints every point, what fits them best (core-seconds for a run, an object, a million rows), and
from that a year and OpenSky's public archive in hours, bytes and dollars. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ingest_vs_peers import make_inputs, with_objects
from spark_overhead import ingest, make_lake, settings, time_enrichment

from opensky_assets.engines.local import LocalEngine
from opensky_assets.engines.spark.engine import SparkEngine
from opensky_assets.engines.spark.session import start_session
from opensky_assets.lake import Lake
from opensky_assets.settings import load_settings

POINTS = ((2, 1 / 2), (8, 1 / 4), (24, 1 / 4), (2, 1), (8, 1), (24, 1 / 16))
"""Objects of an ingest, and how large each is as a part of `--rows`. By default each is enough for all cores."""
ENRICHED = ((1, 1 / 4), (1, 1), (4, 1), (8, 1))
"""The same of the days that are enriched."""

OBJECT_BYTES_A_ROW, RAW_BYTES_A_ROW, ENRICHED_BYTES_A_ROW = 70, 38, 39
"""Gzipped text of a recorded hour, and the two tables made of it."""
CORE_HOUR_USD, GB_MONTH_USD, MILLION_PUTS_USD = 0.05, 0.023, 5.0
"""List prices in a large cloud's cheapest region: a general-purpose core on demand, standard object storage."""
PUTS_AN_OBJECT = 4
"""Its file, its manifest, its lock, and a file of the enriched table."""
LINE_GB_S = 0.125
PLACES = {"1 machine of 2 cores": 2, "1 machine of 16 cores": 16, "10 executors of 4 cores": 40}


@dataclass(frozen=True)
class Archive:
    """So much to read. A run is over `days_a_run` days."""

    name: str
    days: int
    rows_a_day: int
    days_a_run: int = 30

    @property
    def rows(self) -> int:
        return self.days * self.rows_a_day


ARCHIVES = (
    Archive("a year, every day", 365, 45_000_000),
    Archive("OpenSky's public samples, Mondays of 5 June 2017 to 27 June 2022", 265, 45_000_000),
)


@dataclass(frozen=True)
class Point:
    objects: int
    rows: int
    seconds: float


@dataclass(frozen=True)
class Fit:
    """Core-seconds."""

    a_run: float
    an_object: float
    a_million_rows: float

    @staticmethod
    def of(points: list[Point], cores: int, by_object: bool = True) -> Fit:
        """Least squares of relative errors, or the largest points alone would decide; nothing costs less than 0."""
        terms = np.array([[1.0, point.objects * by_object, point.rows / 1e6] for point in points])
        times = np.array([point.seconds * cores for point in points])
        used = [0, 1, 2] if by_object else [0, 2]
        while True:
            found, *_ = np.linalg.lstsq(terms[:, used] / times[:, None], np.ones(len(times)), rcond=None)
            if found.min() >= 0:
                break
            used.pop(int(found.argmin()))
        values = dict(zip(used, found, strict=True))
        return Fit(*(round(float(values.get(term, 0.0)), 3) for term in range(3)))

    def core_s(self, runs: float, objects: int, rows: int) -> float:
        return runs * self.a_run + objects * self.an_object + rows / 1e6 * self.a_million_rows


def measure_ingest(engine: str, cores: int, memory: str, rows: int, folder: Path) -> list[Point]:
    """In this process, which is the engine's own."""
    given = settings(cores, memory)
    session = start_session(given) if engine == "spark" else None
    runner = (SparkEngine(session) if session else LocalEngine()).ingest
    found = []
    for objects, part in (POINTS[0], *POINTS):  # the first one is the warm-up
        some = with_objects(make_inputs(folder, "states", 2, round(rows * part), 0.0), objects)
        seconds, written = ingest(some, Lake.at(folder / "out"), given, runner)
        found.append(Point(objects, written, seconds))
        shutil.rmtree(folder / "out")
        shutil.rmtree(some.bucket)
    if session:
        session.stop()
    return found[1:]


def ingest_points(engine: str, cores: int, args: argparse.Namespace) -> list[Point]:
    command = [sys.executable, __file__, "--engine", engine, "--cores", str(cores), "--memory", args.memory]
    command += ["--rows", str(args.rows), "--folder", str(args.folder)]
    text = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [Point(*point) for point in json.loads(text.strip().splitlines()[-1])]


def enrichment_points(engine: str, cores: int, args: argparse.Namespace, folder: Path) -> Iterator[Point]:
    for objects, part in ENRICHED:
        # As many hours as objects: states that a second object repeats would count once.
        inputs = make_inputs(folder, "states", objects, round(args.rows * part), 0.0)
        make_lake(inputs, objects, settings(2, args.memory), folder / "lake")
        found = time_enrichment(engine, folder / "lake", cores, args.memory)
        yield Point(objects, int(found["rows"]), found["seconds"])
        shutil.rmtree(folder / "lake")


def project(fits: dict[str, Fit]) -> Iterator[str]:
    """Lines of a table: each archive on each engine, by the fit of the most cores that were measured."""
    yield "| | engine | core-hours: ingest, enrichment | dollars of cores | " + " | ".join(PLACES) + " |"
    yield "| --- " * (4 + len(PLACES)) + "|"
    most = max(int(name.rsplit("-", 1)[1]) for name in fits)
    for archive in ARCHIVES:
        runs, objects = archive.days / archive.days_a_run, archive.days * 24
        for engine in ("local", "spark"):
            parts = [
                fits[f"{what}-{engine}-{most}"].core_s(runs, objects, archive.rows) / 3600
                for what in ("ingest", "enrichment")
            ]
            # One thread writes in the local enrichment: more cores than were measured gain nothing.
            spread = [min(cores, most) if engine == "local" else cores for cores in PLACES.values()]
            took = [parts[0] / cores + parts[1] / used for cores, used in zip(PLACES.values(), spread, strict=True)]
            hours = [f"{one:.1f} h" for one in took]
            if engine == "local":
                hours[-1] = "–"
            yield (
                f"| {archive.name}: {archive.rows / 1e9:.1f} billion rows | {engine} "
                f"| {parts[0]:.1f}, {parts[1]:.1f} | {sum(parts) * CORE_HOUR_USD:.2f} | {' | '.join(hours)} |"
            )
    yield ""
    for archive in ARCHIVES:
        read, raw, enriched = (
            archive.rows * bytes_a_row / 1e9
            for bytes_a_row in (OBJECT_BYTES_A_ROW, RAW_BYTES_A_ROW, ENRICHED_BYTES_A_ROW)
        )
        puts_usd = archive.days * 24 * PUTS_AN_OBJECT / 1e6 * MILLION_PUTS_USD
        line_h = read / LINE_GB_S / 3600
        kept_usd = (raw + enriched) * GB_MONTH_USD
        yield (
            f"{archive.name}: {read:,.0f} GB to read, {line_h:.1f} h of a line of 1 Gbit/s; "
            f"{raw:,.0f} GB raw, {enriched:,.0f} GB enriched; "
            f"in an object store {kept_usd:,.2f} dollars a month, and {puts_usd:.2f} once for the requests"
        )


def draw(points: dict[str, list[Point]], out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator

    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True)
    for axis, what in zip(axes, ("ingest", "enrichment"), strict=True):
        for name, found in points.items():
            if name.startswith(what):
                _, engine, cores = name.split("-")
                ordered = sorted(found, key=lambda point: point.rows)
                axis.plot(
                    [point.rows / 1e6 for point in ordered],
                    [point.seconds for point in ordered],
                    marker="o" if engine == "local" else "s",
                    color="#1f6feb" if engine == "local" else "#d4762c",
                    linestyle="-" if cores == "2" else ":",
                    label=f"{engine}, {cores} core{'s' * (cores != '1')}",
                )
        axis.set_xscale("log")
        axis.set_yscale("log")
        for scale in (axis.xaxis, axis.yaxis):
            scale.set_major_locator(LogLocator(subs=(1, 2, 5)))
            scale.set_major_formatter("{x:g}")
            scale.set_minor_formatter("")
        axis.set_xlabel("million rows")
        axis.set_title(what)
        axis.grid(alpha=0.3, which="both", linewidth=0.5)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("seconds")
    axes[0].legend(frameon=False)
    figure.tight_layout()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=120)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_200_000, help="about so many in a large object")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--memory", default="2g", help="heap of Spark's driver")
    parser.add_argument("--folder", type=Path, default=load_settings().root / "benchmarks")
    parser.add_argument("--figure", type=Path, help="draw the points here")
    parser.add_argument("--engine", choices=("local", "spark"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    folder = args.folder.resolve() / "scaling"
    if args.engine:
        found = measure_ingest(args.engine, args.cores[0], args.memory, args.rows, folder)
        print(json.dumps([(point.objects, point.rows, point.seconds) for point in found]))
        return 0
    for _, part in POINTS:
        make_inputs(folder, "states", 2, round(args.rows * part), 0.0)
    points: dict[str, list[Point]] = {}
    kinds: dict[str, Callable[[str, int], list[Point]]] = {
        "ingest": lambda engine, cores: ingest_points(engine, cores, args),
        "enrichment": lambda engine, cores: list(enrichment_points(engine, cores, args, folder)),
    }
    print("work engine cores objects rows seconds rows/s")
    fits = {}
    for what, measure in kinds.items():
        for engine in ("local", "spark"):
            for cores in args.cores:
                name = f"{what}-{engine}-{cores}"
                points[name] = measure(engine, cores)
                for at in points[name]:
                    speed = at.rows / at.seconds
                    print(f"{what} {engine} {cores} {at.objects} {at.rows:,} {at.seconds:.2f} {speed:,.0f}", flush=True)
                fits[name] = Fit.of(points[name], cores, by_object=what == "ingest")
                print(f"  {fits[name]}", flush=True)
    print("\n".join(project(fits)))
    if args.figure:
        draw(points, args.figure)
    print(json.dumps({name: vars(fit) for name, fit in fits.items()}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
