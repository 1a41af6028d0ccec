"""What a new day of marts costs with few and with many days in the lake: `python new_day.py LAKE`.

LAKE is one with enriched flights, as `make demo` leaves it in data/lake. Its newest days are linked into scratch lakes
of 10 and of 3,000 days; the marts of the last day are then built by dbt and published, some times each.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from opensky_assets.lake import Lake
from opensky_assets.resources.dbt import DbtResource
from opensky_assets.schemas import ENRICHED_FLIGHTS
from opensky_assets.schemas.tables import marts
from opensky_assets.transforms.marts import build_marts

LAST = date(2022, 6, 27)


def grown(source: Lake, folder: Path, days: int) -> Lake:
    """A lake whose newest days are those of `source`, and before them its oldest one again and again."""
    own = source.days(ENRICHED_FLIGHTS.path)
    (paths,) = zip(*(files for _, files in sorted(source.day_files(ENRICHED_FLIGHTS.path, own).items())), strict=True)
    for n in range(days):
        day = (LAST - timedelta(n)).isoformat()
        flights = folder / ENRICHED_FLIGHTS.path / f"day={day}" / "enriched_flights.parquet"
        flights.parent.mkdir(parents=True)
        os.link(source.address(paths[max(len(paths) - 1 - n, 0)]), flights)
        for mart in marts():
            made = folder / mart.contract.path / f"day={day}" / f"{mart.name}.parquet"
            made.parent.mkdir(parents=True)
            os.link(flights, made)
    return Lake.at(folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lake", type=Path)
    parser.add_argument("--days", type=int, nargs="*", default=[10, 3000])
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    source, dbt = Lake.at(arguments.lake), DbtResource()
    with tempfile.TemporaryDirectory(dir=arguments.lake.parent) as scratch:
        for days in arguments.days:
            lake = grown(source, Path(scratch) / str(days), days)
            seconds = []
            for _ in range(arguments.repeats + 1):  # the first warms up
                began = time.perf_counter()
                build_marts(lake, [LAST.isoformat()], marts(), dbt.build)
                seconds.append(time.perf_counter() - began)
            told = ", ".join(f"{turn:.1f}" for turn in seconds[1:])
            print(f"{days:,} days: median {statistics.median(seconds[1:]):.2f} s ({told})", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
