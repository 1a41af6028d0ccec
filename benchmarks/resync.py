"""What a run costs that has nothing to read: `python benchmarks/resync.py`.

A bucket of 365 days of 24 hourly objects, a few bytes each, and a lake whose manifests, written by the real classes,
say that all of them are in it: the time of `sync_days` over all days, which lists, compares and reports. Then the
slope of orchestration: the raw asset in an in-process run over 30 and over 365 of these days, per further day.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from opensky_assets.datasets.opensky import OPENSKY
from opensky_assets.defs.raw.assets import raw_asset
from opensky_assets.ingest.kernel import CODE_VERSION
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import Counts, Lake, Manifest, OutputFile
from opensky_assets.resources.monitor import MonitorResource
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.resources.spark import SparkResource
from opensky_assets.schemas import STATE_VECTORS
from opensky_assets.settings import load_settings
from opensky_assets.sources.keys import SIMULATED_MARKER
from opensky_assets.storage.objects import LocalStore

FIRST = date(2020, 1, 1)
HOURS = 24


def days_from(first: date, count: int) -> list[str]:
    return [(first + timedelta(days=n)).isoformat() for n in range(count)]


def make_bucket(root: Path, days: list[str]) -> LocalStore:
    for day in days:
        for hour in range(HOURS):
            folder = root / "states" / day / f"{hour:02d}"
            folder.mkdir(parents=True)
            (folder / f"states_{day}-{hour:02d}.csv.tar").write_bytes(b"x")
    (root / SIMULATED_MARKER).write_text("simulated")
    return LocalStore(root)


def make_lake(root: Path, store: LocalStore) -> Lake:
    lake = Lake.at(root)
    lake.claim(store.uri, "simulated")
    folder = root / "_manifest" / STATE_VECTORS.name
    folder.mkdir(parents=True)
    row = root / "_manifest" / "row.parquet"
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    pq.write_table(pa.Table.from_pylist([{"time": moment, "icao24": "4b1815"}], schema=STATE_VECTORS.schema), row)
    for item in store.list("states/"):
        day = item.key.split("/")[1]
        path = f"{STATE_VECTORS.path}/day={day}/{item.stem}.parquet"
        manifest = Manifest(
            table=STATE_VECTORS.name,
            source=item,
            source_uri=store.uri,
            contract_version=STATE_VECTORS.version,
            code_version=CODE_VERSION,
            read=1,
            days={day: Counts(written=1)},
            reasons={},
            files=(OutputFile(path, 1, 1),),
            quarantine_files=(),
            notes={"extra_columns": [], "missing_columns": ["origin_country", "category", "position_source"]},
        )
        (folder / f"{item.key_hash}.json").write_text(manifest.to_json())
        Path(lake.address(path)).parent.mkdir(parents=True, exist_ok=True)
        os.link(row, lake.address(path))
    return lake


def time_sync(store: LocalStore, lake: Lake, days: list[str]) -> float:
    settings = load_settings(source=str(store.root), lake=str(lake))
    began = time.perf_counter()
    done = sync_days(STATE_VECTORS, days, store, lake, settings, date(2026, 1, 1), lambda text: None)
    seconds = time.perf_counter() - began
    assert done.unchanged == len(days) * HOURS and not done.read and not done.holes, done.summary()
    return seconds


def time_run(store: LocalStore, lake: Lake, days: list[str], home: Path) -> float:
    resource = OpenSkyResource(source=str(store.root), lake=str(lake))
    resources = {"opensky": resource, "spark": SparkResource(), "monitor": MonitorResource()}
    tags = {"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[-1]}
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        began = time.perf_counter()
        done = dg.materialize([raw_asset(OPENSKY[1])], resources=resources, instance=instance, tags=tags)
        assert done.success
        return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    days = days_from(FIRST, args.days)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        store = make_bucket(root / "bucket", days)
        lake = make_lake(root / "lake", store)
        resync = [time_sync(store, lake, days) for _ in range(args.repeats)]
        print(
            f"re-sync of {len(days)} unchanged days of {HOURS} objects: {statistics.median(resync):.2f} s", flush=True
        )
        runs: dict[int, list[float]] = {30: [], args.days: []}
        for again in range(min(args.repeats, 3)):
            for count, found in runs.items():
                home = root / f"home-{count}-{again}"
                os.makedirs(home)
                found.append(time_run(store, lake, days[:count], home))
    medians = {count: statistics.median(found) for count, found in runs.items()}
    slope = (medians[args.days] - medians[30]) / (args.days - 30)
    print(f"runs of the raw asset: {', '.join(f'{n} days {s:.2f} s' for n, s in medians.items())}")
    print(json.dumps({"resync_s": round(statistics.median(resync), 3), "slope_ms_per_day": round(slope * 1000, 2)}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
