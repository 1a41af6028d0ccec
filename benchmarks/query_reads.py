"""What a query reads of a day of states: `python benchmarks/query_reads.py FILE_OR_GLOB …`.

DuckDB asks for one aircraft, and for ten minutes; told are the bytes read (Linux: `/proc/self/io`), the share of the
files, the row groups whose statistics match, and the time (median of 5), for the files as they are.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq


def bytes_read() -> int:
    return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])


def matching_groups(paths: list[str], column: str, first: object, last: object) -> tuple[int, int]:
    found = groups = 0
    for path in paths:
        file = pq.ParquetFile(path)
        at = file.schema_arrow.get_field_index(column)
        for group in range(file.metadata.num_row_groups):
            statistic = file.metadata.row_group(group).column(at).statistics
            groups += 1
            found += statistic.min <= last and statistic.max >= first
    return found, groups


def main() -> int:
    paths = sorted(str(path) for argument in sys.argv[1:] for path in Path().glob(argument.lstrip("/"))) or sys.argv[1:]
    size = sum(Path(path).stat().st_size for path in paths)
    files = f"read_parquet({paths!r})"
    icao24 = duckdb.execute(f"SELECT icao24 FROM {files} GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1").fetchone()[0]
    start = duckdb.execute(f"SELECT epoch(min(time)) FROM {files}").fetchone()[0]
    first = datetime.fromtimestamp(start, UTC) + timedelta(minutes=20)
    last = first + timedelta(minutes=10)
    queries = {
        "one aircraft": (f"icao24 = '{icao24}'", ("icao24", icao24, icao24)),
        "ten minutes": (f"time >= '{first.isoformat()}' AND time < '{last.isoformat()}'", ("time", first, last)),
    }
    result = {}
    for name, (where, bounds) in queries.items():
        seconds, read, rows = [], 0, 0
        for _ in range(5):
            connection = duckdb.connect()
            connection.execute("SET enable_external_file_cache = false")
            before, began = bytes_read(), time.perf_counter()
            rows = len(connection.execute(f"SELECT * FROM {files} WHERE {where}").fetchall())
            seconds.append(time.perf_counter() - began)
            read = bytes_read() - before
        found, groups = matching_groups(paths, *bounds)
        result[name] = {"rows": rows, "bytes": read, "share": round(read / size, 3), "row_groups": found, "of": groups}
        print(
            f"{name}: {rows:,} rows, {read / 1e6:.1f} of {size / 1e6:.1f} MB read ({read / size:.0%}), {found} of "
            f"{groups} row groups match, {statistics.median(seconds):.2f} s"
        )
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
