"""How the ingest's time grows with rows, objects and executors: `python benchmarks/scaling.py`.

Simulated hours of states, few and many, small and large, into empty lakes: by the local engine and by Spark, with one
core and with two, each combination in a process of its own after a warm-up. Prints every point, and for each
combination what fits them best: seconds of one core for a run, for an object and for a million rows. The last line is
JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from ingest_vs_peers import make_inputs, with_objects
from spark_overhead import ingest, settings

from opensky_assets.ingest.runner import ingest_objects
from opensky_assets.lake import Lake
from opensky_assets.resources.spark import SparkResource

POINTS = ((2, 1 / 4), (8, 1 / 4), (24, 1 / 4), (2, 1), (8, 1), (24, 1 / 16), (8, 1 / 16))
"""Objects, and how large each is as a part of `--rows`."""


def measure(engine: str, cores: int, memory: str, rows: int, folder: Path) -> list[tuple[int, int, float]]:
    """Objects, rows and seconds of each point, in this process."""
    given, spark = settings(cores, memory), SparkResource()
    runner = ingest_objects if engine == "local" else spark.ingest_runner(given, lambda text: None)
    found = []
    for objects, part in (POINTS[0], *POINTS):  # the first one is the warm-up
        some = with_objects(make_inputs(folder, "states", 2, round(rows * part), 0.0), objects)
        seconds, written = ingest(some, Lake.at(folder / "out"), given, runner)
        found.append((objects, written, seconds))
        shutil.rmtree(folder / "out")
        shutil.rmtree(some.bucket)
    spark.stop()
    return found[1:]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_200_000, help="about so many in a large object")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--memory", default="2g", help="heap of Spark's driver")
    parser.add_argument("--folder", type=Path, default=Path("data/benchmarks"))
    parser.add_argument("--engine", choices=("local", "spark"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    folder = args.folder.resolve() / "scaling"
    if args.engine:
        print(json.dumps(measure(args.engine, args.cores[0], args.memory, args.rows, folder)))
        return 0
    for _, part in POINTS:
        make_inputs(folder, "states", 2, round(args.rows * part), 0.0)
    results = {}
    print("engine cores objects rows seconds rows/s")
    for engine in ("local", "spark"):
        for cores in args.cores:
            command = [sys.executable, __file__, "--engine", engine, "--cores", str(cores), "--memory", args.memory]
            command += ["--rows", str(args.rows), "--folder", str(args.folder)]
            text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            points = json.loads(text.strip().splitlines()[-1])
            for objects, rows, seconds in points:
                print(f"{engine} {cores} {objects} {rows:,} {seconds:.2f} {rows / seconds:,.0f}", flush=True)
            # By relative errors, or the largest points alone would decide.
            terms = np.array([[1, objects, rows / 1e6] for objects, rows, _ in points])
            times = np.array([seconds * cores for _, _, seconds in points])
            run, an_object, million = np.linalg.lstsq(terms / times[:, None], np.ones(len(times)), rcond=None)[0]
            fit = {"run_core_s": run, "object_core_s": an_object, "million_rows_core_s": million}
            results[f"{engine}-{cores}"] = {name: round(float(value), 3) for name, value in fit.items()}
            print(f"  {results[f'{engine}-{cores}']}", flush=True)
    print(json.dumps(results))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
