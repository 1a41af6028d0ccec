"""One contestant converts CSV objects to Parquet, in a process of its own: `python contestants.py NAME JSON`.

Imports and, for Spark, the start of the session happen in `prepare`, which is not timed. The last line is JSON: rows,
seconds, and core-seconds of the process and its children. Column types are given to all, so that nobody has to guess.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

NUMBERS = {
    "states": ["time", "lat", "lon", "velocity", "heading", "vertrate", "baroaltitude", "geoaltitude", "lastposupdate",
               "lastcontact"],
    "flights": ["latitude_1", "longitude_1", "altitude_1", "latitude_2", "longitude_2", "altitude_2"],
}  # fmt: skip
FLAGS = {"states": ["onground", "alert", "spi"], "flights": []}
COLUMNS = {
    "states": ["time", "icao24", "lat", "lon", "velocity", "heading", "vertrate", "callsign", "onground", "alert",
               "spi", "squawk", "baroaltitude", "geoaltitude", "lastposupdate", "lastcontact"],
    "flights": ["callsign", "number", "icao24", "registration", "typecode", "origin", "destination", "firstseen",
                "lastseen", "day", "latitude_1", "longitude_1", "altitude_1", "latitude_2", "longitude_2",
                "altitude_2"],
}  # fmt: skip
KEY = {"states": ["icao24", "time"], "flights": ["icao24", "lastseen"]}
BLOCK_BYTES = 16 << 20

Convert = Callable[[], int]
Prepare = Callable[[dict[str, Any]], Convert]


def types(table: str, number: Any, flag: Any, text: Any) -> dict[str, Any]:
    return {n: number if n in NUMBERS[table] else flag if n in FLAGS[table] else text for n in COLUMNS[table]}


def outputs(job: dict[str, Any]) -> Iterator[tuple[str, Path]]:
    for at, path in enumerate(job["files"]):
        yield path, Path(job["out"]) / f"{at}.parquet"


# --- ours ----------------------------------------------------------------------------------------------------------


def ours(job: dict[str, Any]) -> Convert:
    """The whole sync into an empty lake: plan, kernel with every check, publish, manifests."""
    from datetime import date, timedelta

    from opensky_assets.ingest.sync import sync_days
    from opensky_assets.lake import Lake
    from opensky_assets.schemas import FLIGHTS, STATE_VECTORS
    from opensky_assets.settings import load_settings
    from opensky_assets.storage.objects import LocalStore

    contract = {"states": STATE_VECTORS, "flights": FLIGHTS}[job["table"]]
    settings = load_settings(source=job["bucket"], lake=job["out"], **job.get("settings", {}))
    first = date.fromisoformat(job["first_day"])
    days = [(first + timedelta(days=n)).isoformat() for n in range(job["days"])]

    def convert() -> int:
        report = sync_days(
            contract,
            days,
            LocalStore(Path(job["bucket"])),
            Lake.at(Path(job["out"])),
            settings,
            date(2026, 1, 1),
            _silent,
        )
        assert not report.failed, report.failed
        assert all(manifest.lawful for manifest in report.read)
        return sum(manifest.total.written for manifest in report.read)

    return convert


def _silent(text: str) -> None:
    pass


# --- the peers -----------------------------------------------------------------------------------------------------


def polars(job: dict[str, Any], sort: bool = False) -> Convert:
    """scan_csv → sink_parquet in the streaming engine, a file a file, the next begun while one is written."""
    import polars as pl

    schema = types(job["table"], pl.Float64(), pl.Boolean(), pl.String())

    def sink(path: str, out: Path) -> pl.LazyFrame:
        frame = pl.scan_csv(path, schema=schema)
        return (frame.sort(KEY[job["table"]]) if sort else frame).sink_parquet(
            out, compression="zstd", **job.get("write", {}), lazy=True
        )

    def convert() -> int:
        for path, out in outputs(job):
            sink(path, out).collect(engine="streaming")
        return rows_of(job)

    return convert


def polars_sorted(job: dict[str, Any]) -> Convert:
    return polars(job, sort=True)


def duckdb(job: dict[str, Any]) -> Convert:
    """One COPY over all files, order not kept, so that the files are read beside each other."""
    import duckdb as engine

    columns = types(job["table"], "DOUBLE", "BOOLEAN", "VARCHAR")
    out = Path(job["out"]) / "all.parquet"

    def convert() -> int:
        connection = engine.connect()
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(f"SET threads = {os.cpu_count()}")
        rows = connection.execute(
            f"COPY (SELECT * FROM read_csv({job['files']!r}, header = true, delim = ',', quote = '\"', "
            f"auto_detect = false, columns = {columns!r})) TO '{out}' (FORMAT parquet, COMPRESSION zstd)"
        ).fetchone()
        return rows[0]

    return convert


def pyarrow(job: dict[str, Any]) -> Convert:
    """csv.open_csv → ParquetWriter, batch by batch."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    options = pa.csv.ConvertOptions(
        column_types=types(job["table"], pa.float64(), pa.bool_(), pa.string()), strings_can_be_null=True
    )

    def convert() -> int:
        rows = 0
        for path, out in outputs(job):
            reader = pa.csv.open_csv(
                path, convert_options=options, read_options=pa.csv.ReadOptions(block_size=BLOCK_BYTES)
            )
            with pq.ParquetWriter(out, reader.schema, compression="zstd") as writer:
                for batch in reader:
                    writer.write_batch(batch)
                    rows += batch.num_rows
        return rows

    return convert


def pandas(job: dict[str, Any]) -> Convert:
    """read_csv → to_parquet, a whole file at a time."""
    import pandas as pd
    import pyarrow.parquet  # noqa: F401

    flag, text = "boolean", "string"
    dtypes = types(job["table"], "float64", flag, text)

    def convert() -> int:
        rows = 0
        for path, out in outputs(job):
            frame = pd.read_csv(path, dtype=dtypes)
            frame.to_parquet(out, compression="zstd", index=False)
            rows += len(frame)
        return rows

    return convert


def pyspark(job: dict[str, Any]) -> Convert:
    """The CSV reader with a schema, on local[cores]; the session is started before the clock."""
    from pyspark.sql import SparkSession
    from pyspark.sql.types import BooleanType, DoubleType, StringType, StructField, StructType

    fields = types(job["table"], DoubleType(), BooleanType(), StringType())
    schema = StructType([StructField(name, kind) for name, kind in fields.items()])
    session = (
        SparkSession.builder.master(f"local[{os.cpu_count()}]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "2g")
        .config("spark.sql.parquet.compression.codec", "zstd")
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )
    session.range(10).count()

    def convert() -> int:
        frame = session.read.schema(schema).csv(job["files"], header=True)
        frame.write.mode("overwrite").parquet(f"{job['out']}/spark")
        return rows_of(job)

    return convert


def chdb(job: dict[str, Any]) -> Convert:
    """ClickHouse in process: INSERT INTO FUNCTION file(…) SELECT FROM file(…), all files in one statement."""
    import chdb as engine

    columns = types(job["table"], "Nullable(Float64)", "Nullable(Bool)", "Nullable(String)")
    schema = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    folder = Path(job["files"][0]).parent
    many = f"{folder}/{{{','.join(Path(path).name for path in job['files'])}}}"
    out = Path(job["out"]) / "all.parquet"

    def convert() -> int:
        engine.query(
            f"INSERT INTO FUNCTION file('{out}', 'Parquet') SELECT * FROM file('{many}', 'CSVWithNames', '{schema}') "
            "SETTINGS output_format_parquet_compression_method = 'zstd'"
        )
        return rows_of(job)

    return convert


def seed(job: dict[str, Any]) -> Convert:
    """The usual script: gzip, line by line into a list, a data frame, Parquet."""
    import csv
    import gzip

    import pandas as pd
    import pyarrow.parquet  # noqa: F401

    numbers = NUMBERS[job["table"]]

    def convert() -> int:
        rows = 0
        for path, out in outputs(job):
            lines = []
            with gzip.open(path, "rt", newline="") as stream:
                for line in csv.DictReader(stream):
                    lines.append(line)
            frame = pd.DataFrame(lines)
            for name in numbers:
                frame[name] = pd.to_numeric(frame[name], errors="coerce")
            frame.to_parquet(out, compression="zstd", index=False)
            rows += len(frame)
        return rows

    return convert


def floor(job: dict[str, Any]) -> Convert:
    """isal, Polars' typed parse and PyArrow's writer in a process a core: unsorted, unchecked, nothing published."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    import isal  # noqa: F401
    import polars  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    def convert() -> int:
        os.environ["POLARS_MAX_THREADS"] = "1"
        processes = min(os.cpu_count() or 1, len(job["files"]))
        with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
            found = [pool.submit(_floor_file, job["table"], path, str(out)) for path, out in outputs(job)]
            return sum(future.result() for future in found)

    return convert


def _floor_file(table: str, path: str, out: str) -> int:
    import polars as pl
    import pyarrow.parquet as pq
    from isal import igzip

    schema = types(table, pl.Float64(), pl.Boolean(), pl.String())
    writer, rest, rows = None, b"", 0
    with igzip.open(path, "rb") as stream:
        stream.readline()
        while chunk := stream.read(BLOCK_BYTES):
            data = rest + chunk
            end = data.rfind(b"\n") + 1
            rest = data[end:]
            frame = pl.read_csv(data[:end], has_header=False, schema=schema)
            arrow = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
            writer = writer or pq.ParquetWriter(out, arrow.schema, compression="zstd")
            writer.write_table(arrow)
            rows += frame.height
        if rest:
            frame = pl.read_csv(rest, has_header=False, schema=schema)
            if writer is not None:
                writer.write_table(frame.to_arrow(compat_level=pl.CompatLevel.oldest()))
            rows += frame.height
    if writer is not None:
        writer.close()
    return rows


CONTESTANTS: dict[str, Prepare] = {
    "ours": ours,
    "polars": polars,
    "polars_sorted": polars_sorted,
    "duckdb": duckdb,
    "pyarrow": pyarrow,
    "pandas": pandas,
    "pyspark": pyspark,
    "chdb": chdb,
    "seed": seed,
    "floor": floor,
}


def rows_of(job: dict[str, Any]) -> int:
    """Rows of the Parquet files written; -1 where there is no reader for them here."""
    try:
        import pyarrow.parquet as pq
    except ImportError:
        return -1
    return sum(pq.ParquetFile(path).metadata.num_rows for path in Path(job["out"]).rglob("*.parquet"))


def core_seconds() -> float:
    """User and system seconds of this process, its ended children and, where psutil is there, its living ones."""
    spent = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        spent += usage.ru_utime + usage.ru_stime
    try:
        import psutil
    except ImportError:
        return spent
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
            spent += times.user + times.system
        except psutil.NoSuchProcess:
            pass
    return spent


def main(name: str, text: str) -> None:
    job = json.loads(text)
    convert = CONTESTANTS[name](job)
    cores, began = core_seconds(), time.perf_counter()
    rows = convert()
    seconds, cores = time.perf_counter() - began, core_seconds() - cores
    print(json.dumps({"rows": rows, "seconds": seconds, "core_seconds": cores}), flush=True)


if __name__ == "__main__":
    # Not found beside this file: the contestants have names of libraries.
    sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent.resolve()]
    main(sys.argv[1], sys.argv[2])
