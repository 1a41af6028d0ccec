"""What the monitor costs: `python benchmarks/monitor_cost.py`.

The ingest of simulated hours of states, with the monitor looking every second and without it, in turns, each in a
process of its own with its pool of workers. Then what a single look takes over that process tree. The last line is
JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from datetime import date
from pathlib import Path

from ingest_vs_peers import START, Inputs, make_inputs, with_objects

from opensky_assets.benchmark.monitor import Monitor
from opensky_assets.benchmark.process_tree import ProcessTree
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import Lake
from opensky_assets.schemas import STATE_VECTORS
from opensky_assets.settings import Settings, load_settings
from opensky_assets.storage.objects import LocalStore

TODAY = date(2026, 1, 1)


def silent(text: str) -> None:
    pass


def ingest(bucket: Path, out: Path, monitored: bool) -> dict[str, float]:
    """Seconds and core-seconds of one ingest, in this process and its workers."""
    settings = Settings(_env_file=None)
    days = [START.isoformat()]
    began = time.perf_counter()
    with Monitor() if monitored else nullcontext():
        done = sync_days(STATE_VECTORS, days, LocalStore(bucket), Lake.at(out), settings, TODAY, silent)
    seconds = time.perf_counter() - began
    assert not done.failed, done.failed
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {"seconds": seconds, "core_seconds": sum(one.ru_utime + one.ru_stime for one in used)}


def turn(inputs: Inputs, out: Path, monitored: bool) -> dict[str, float]:
    shutil.rmtree(out, ignore_errors=True)
    os.sync()  # nobody pays for the writing of the one before
    command = [sys.executable, __file__, "--turn", "with" if monitored else "without"]
    command += ["--bucket", str(inputs.bucket), "--out", str(out)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    shutil.rmtree(out, ignore_errors=True)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def look_ms(children: int) -> float:
    """The median of looks at this process with so many idle children."""
    idle = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) for _ in range(children)]
    tree = ProcessTree()
    took = []
    for _ in range(50):
        began = time.perf_counter()
        tree.look()
        took.append(time.perf_counter() - began)
    for process in idle:
        process.terminate()
        process.wait()
    return 1000 * statistics.median(took)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=4, help="hours that are simulated")
    parser.add_argument("--rows", type=int, default=1_200_000, help="about so many an hour")
    parser.add_argument("--objects", type=int, default=8, help="objects to ingest, of these hours; at most 24")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=load_settings().root / "benchmarks")
    parser.add_argument("--turn", choices=("with", "without"), help=argparse.SUPPRESS)
    parser.add_argument("--bucket", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.turn:
        print(json.dumps(ingest(args.bucket, args.out, args.turn == "with")))
        return 0
    folder = args.folder.resolve() / "monitor"
    inputs = with_objects(make_inputs(folder, "states", args.hours, args.rows, 0.0), args.objects)
    print(f"ingest of {args.objects} objects; load {os.getloadavg()[0]:.1f}", flush=True)
    turns: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    turn(inputs, folder / "out", False)  # warms up
    for again in range(args.repeats):
        for monitored in (False, True) if again % 2 else (True, False):
            turns[monitored].append(turn(inputs, folder / "out", monitored))
            found = turns[monitored][-1]
            name = "with" if monitored else "without"
            print(f"  {again + 1}. {name}: {found['seconds']:.2f} s, {found['core_seconds']:.2f} core-s", flush=True)
    shutil.rmtree(inputs.bucket)
    shares = {}
    for what in ("seconds", "core_seconds"):
        without, with_it = (statistics.median(one[what] for one in turns[monitored]) for monitored in (False, True))
        pairs = [b[what] / a[what] - 1 for a, b in zip(turns[False], turns[True], strict=True)]
        shares[what] = with_it / without - 1
        print(
            f"{what.replace('_', '-')}: median without {without:.2f}, with {with_it:.2f}, {shares[what]:+.1%}; by turn "
            f"{', '.join(f'{share:+.1%}' for share in pairs)}"
        )
    looks = {children: look_ms(children) for children in (0, 2, 16)}
    print("a look: " + ", ".join(f"{ms:.1f} ms with {children} children" for children, ms in looks.items()))
    print(
        json.dumps(
            {f"{what}_share": round(share, 4) for what, share in shares.items()}
            | {f"look_ms_{children}": round(ms, 2) for children, ms in looks.items()}
        )
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
