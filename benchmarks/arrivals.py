"""What a tick of the arrival sensor costs over a million known keys: `python benchmarks/arrivals.py`.

Polls every ten seconds, 8,640 a day, listed from memory: the looks until all were asked for, then a look at nothing
new and one at a single new object; the size of the cursor; and the largest cursor there can be, of a lake with hourly
files and flight lists for each day of the calendar.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opensky_assets.calendar import FIRST_DAY
from opensky_assets.ingest.arrivals import look
from opensky_assets.lake import Lake
from opensky_assets.settings import Settings
from opensky_assets.storage.objects import SourceObject

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TODAY = NOW.date()


class Listing:
    uri = "memory://bucket"

    def __init__(self, objects: list[SourceObject]) -> None:
        self.objects = objects

    def list(self, prefix: str = "") -> Iterator[SourceObject]:
        return iter(self.objects)


def polls(count: int) -> list[SourceObject]:
    first = int(datetime(2025, 3, 1, tzinfo=UTC).timestamp())
    return [SourceObject(f"states/states_{first + 10 * n}.json.gz", 1000, f"{n:032x}") for n in range(count)]


def every_day() -> list[SourceObject]:
    days = [FIRST_DAY + timedelta(days=n) for n in range((TODAY - FIRST_DAY).days)]
    return [
        SourceObject(key, 1000, f"{n:032x}")
        for n, day in enumerate(days)
        for key in (
            f"flights/flightlist_{day:%Y%m%d}_{day:%Y%m%d}.csv.gz",
            *(f"states/{day}/{hour:02d}/states_{day}-{hour:02d}.csv.tar" for hour in range(24)),
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    objects = polls(parser.parse_args().objects)
    settings = Settings(_env_file=None)
    cursor: str | None = None
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.at(Path(folder))

        def tick(found: list[SourceObject]) -> tuple[float, int, int]:
            nonlocal cursor
            began = time.perf_counter()
            seen = look(Listing(found), lake, settings, NOW, cursor)  # type: ignore[arg-type]
            cursor = seen.cursor
            return round(time.perf_counter() - began, 2), len(seen.asked), seen.waiting

        first = [tick(objects)]
        while first[-1][2]:
            first.append(tick(objects))
        known = tick(objects)
        one_new = tick([*objects[:-1], SourceObject(objects[-1].key, 1000, "new")])
        assert (known[1], one_new[1]) == (0, 1)
        report = {
            "objects": len(objects),
            "first_ticks": len(first),
            "slowest_first_tick_s": max(seconds for seconds, _, _ in first),
            "nothing_new_s": known[0],
            "one_new_s": one_new[0],
            "cursor_bytes": len(cursor or ""),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        cursor = None
        while tick(every_day())[2]:
            pass
        report["cursor_bytes_every_day_since_2017"] = len(cursor or "")
    json.dump(report, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
