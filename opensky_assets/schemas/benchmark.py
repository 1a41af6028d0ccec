"""The history of the ingest benchmark: a row a run."""

import pyarrow as pa

from opensky_assets.schemas.contract import TIMESTAMP, Column, Contract


def _text(name: str, description: str, nullable: bool = False) -> Column:
    return Column(name, pa.string(), description, nullable=nullable)


def _count(name: str, description: str, unit: str, nullable: bool = False) -> Column:
    return Column(name, pa.int64(), description, unit, nullable, 0)


def _amount(name: str, description: str, unit: str, nullable: bool = False) -> Column:
    return Column(name, pa.float64(), description, unit, nullable, 0)


BENCHMARK_RUNS = Contract(
    name="benchmark_runs",
    path="metrics/ingest_benchmark",
    version="1",
    description=(
        "Time and resources of each run of the ingest benchmark, with machine, code and data. One file a benchmark. "
        "A value that could not be counted is empty, never zero."
    ),
    key=("benchmark", "files", "repeat"),
    columns=(
        _text("benchmark", "The benchmark that the run was part of: its start in UTC, and four digits"),
        Column("started_at", TIMESTAMP, "Start of the run", "UTC", False),
        _text("scenario", "Which share of the file limit, or 5"),
        _count("files", "Objects that were read", "objects"),
        _count("repeated_files", "Of these, how often one was read that had been read before in the run", "objects"),
        Column("repeat", pa.int64(), "Which time the scenario was run, from 1 on", "", False, 1),
        _text("table", "Raw table: flights or state_vectors"),
        _text("engine", "local or spark"),
        _text("master", "Spark's master", nullable=True),
        Column("workers", pa.int64(), "Processes allowed (OPENSKY_WORKERS, else the cores)", "processes", False, 1),
        Column("processes", pa.int64(), "How many ingested at once", "processes", False, 1),
        _text("cache", "warm or cold: whether the files were in this machine's page cache; remote: a bucket"),
        Column(
            "cached_share", pa.float64(), "Share of the files' pages found there before the run", "share", True, 0, 1
        ),
        _amount("duration_s", "From listing the source to the last manifest", "s"),
        _amount("session_s", "Start of the Spark session, which is not in duration_s", "s", nullable=True),
        _count("rows", "Records read", "records"),
        _count("source_bytes", "Size of the objects", "bytes"),
        _count("held_back", "Objects that were not published", "objects"),
        _amount("cpu_s", "Processor time of the process tree", "core-seconds"),
        _amount("mean_cores", "cpu_s by duration_s", "cores"),
        _amount("peak_cores", "Cores used in the busiest second", "cores"),
        _count("mean_rss_bytes", "Resident memory of the process tree, each process added up", "bytes"),
        _count("peak_rss_bytes", "The most of it", "bytes"),
        _count("read_bytes", "What the process tree read from disks", "bytes", nullable=True),
        _count("written_bytes", "What it wrote to disks", "bytes", nullable=True),
        _text("disk_by", "Who counted that: processes, as they asked for it, or cgroup, as it reached the disk", True),
        _count("cgroup_peak_bytes", "Most memory of its control group, page cache included", "bytes", nullable=True),
        _count("received_bytes", "What came out of the source's objects, compressed as they are", "bytes"),
        _count("requests", "Attempts to read an object, or the rest of one", "requests"),
        _count("retries", "Attempts that were not the first for their object", "requests"),
        _count("refused", "Answers 429 and 503", "requests"),
        Column("machine_cpus", pa.int64(), "Processors of the machine", "cores", False, 1),
        _count("machine_memory_bytes", "Memory of the machine", "bytes"),
        _amount("machine_cpu_s", "Processor time of the whole machine during the run", "core-seconds"),
        _amount("machine_disk_busy_s", "How long its busiest disk was at work", "s", nullable=True),
        _count("machine_received_bytes", "What its network interfaces received, loopback left out", "bytes", True),
        _count("machine_sent_bytes", "What they sent", "bytes", nullable=True),
        _amount("executor_task_s", "Spark's executors on a cluster: time of their tasks", "s", nullable=True),
        _count("executor_peak_bytes", "Their most resident memory, each executor's added up", "bytes", nullable=True),
        Column("missing", pa.list_(pa.string()), "What could not be counted, and why", nullable=False),
        _text("verdict", "What bounds the run", nullable=True),
        Column("confidence", pa.float64(), "How sure the verdict is", "share", True, 0, 1),
        Column("evidence", pa.list_(pa.string()), "What the verdict rests on, in sentences", nullable=False),
        _count("throttled_from", "The request from which on the source throttled, from 0 on", "", nullable=True),
        _text("source", "Address of the source"),
        _text("source_kind", "simulated or real"),
        _text("data", "Hash over the keys and sizes of the objects: equal where the data is the same"),
        _text("first_key", "Key of the oldest object"),
        _text("last_key", "Key of the newest object"),
        _text("machine", "Processor, cores, memory"),
        _text("system", "Operating system, and Python"),
        _text("version", "Version of this package and of its ingest code"),
        _text("commit", "Commit of the checkout, with -dirty where it was changed", nullable=True),
        _text("libraries", "Versions of the libraries that do the work"),
    ),
)
