"""Write a simulated bucket: `opensky-assets simulate --out data/bucket --days 3 --aircraft 600`.

Invented traffic between real airports, as flight lists, hourly state files and aircraft tables in OpenSky's formats
and key layout. The folder `<out>.truth/` beside the bucket holds the truth: the flights, every defect with its expected
outcome, and the number of records of each object. The same arguments and package versions give the same bytes.
The object `SIMULATED.txt` at the bucket's root marks it as simulated.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from opensky_assets.progress import is_shown
from opensky_assets.settings import load_settings
from opensky_assets.sources.simulation.bucket import BucketExistsError, SimulationSummary, simulate

__all__ = ["SimulationSummary", "main", "simulate"]


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="opensky-assets simulate", description=__doc__)
    p.add_argument("--out", type=Path, help="folder of the bucket; by default bucket below OPENSKY_ROOT")
    p.add_argument("--start", type=date.fromisoformat, default=date(2022, 6, 25), help="first UTC day, YYYY-MM-DD")
    p.add_argument("--days", type=int, default=3, help="how many days")
    p.add_argument("--aircraft", type=int, default=600, help="number of aircraft, with about 2,500 states a day each")
    p.add_argument(
        "--seed", type=int, default=7, help="number from which the traffic is made; another one gives other traffic"
    )
    p.add_argument(
        "--states-hours", default="all", help="'all', or how many hours of states from the start on; 0: none"
    )
    p.add_argument("--defects", type=float, default=0.001, help="share of records that get a defect")
    p.add_argument("--no-defects", dest="defects", action="store_const", const=0.0, help="no record has a defect")
    p.add_argument("--damaged-objects", action="store_true", help="add objects that cannot be unpacked or read")
    p.add_argument("--force", action="store_true", help="replace a simulated bucket made with other arguments")
    p.add_argument("--quiet", action="store_true", help="no progress")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    hours = None if args.states_hours == "all" else int(args.states_hours)
    try:
        summary = simulate(
            args.out or load_settings().root / "bucket",
            start=args.start,
            days=args.days,
            aircraft=args.aircraft,
            seed=args.seed,
            defects=args.defects,
            damaged_objects=args.damaged_objects,
            states=hours != 0,
            states_hours=hours,
            force=args.force,
            progress=None if args.quiet or is_shown() else lambda text: print(text, file=sys.stderr, flush=True),
        )
    except (BucketExistsError, ValueError) as error:
        print(f"simulate: {error}", file=sys.stderr)
        return 2
    print(summary.text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
