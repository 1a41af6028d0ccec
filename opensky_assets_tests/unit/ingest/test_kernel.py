"""One object to published files: what is in them, what the manifest says, and what holds an object back."""

import csv
import io
import json
import random
import subprocess
import sys
from collections import Counter
from datetime import date

import duckdb
import pyarrow.parquet as pq
import pytest
from isal import igzip

from opensky_assets.calendar import NO_DAY, Period
from opensky_assets.ingest.kernel import CODE_VERSION, Task, ingest_object
from opensky_assets.lake import Held, Manifest
from opensky_assets.schemas import FLIGHTS, QUARANTINE, STATE_VECTORS, Reason
from opensky_assets.sources.keys import read_key
from opensky_assets.storage.errors import ObjectGone
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests import judge
from opensky_assets_tests.buckets import files_of, put
from opensky_assets_tests.containers import gz, hour_tar
from opensky_assets_tests.lakes import LocalLake
from opensky_assets_tests.mutations import damaged_files, flight_line, sound_file, state_line

JANUARY = Period(date(2019, 1, 1), date(2019, 1, 31))
MONTH = "flights/flightlist_20190101_20190131.csv.gz"
HOUR = "states/.2019-01-01/10/states_2019-01-01-10.csv.tar"


@pytest.fixture
def bucket(tmp_path):
    folder = tmp_path / "bucket"
    folder.mkdir()
    return folder


@pytest.fixture
def lake(tmp_path):
    return LocalLake.at(tmp_path / "lake")


def ingest(bucket, lake, key, limit=0.05):
    """Ingest one object as a run does."""
    store = LocalStore(bucket)
    (item,) = store.list(key)
    facts = read_key(key)
    contract = FLIGHTS if facts is None or facts.table == "flights" else STATE_VECTORS
    period = facts.period if facts else Period(date(2017, 1, 1), date(2022, 12, 31))
    days = ("2019-01-01",) if facts else None
    with lake.run([contract.name]) as run:
        return ingest_object(Task(item, contract, period, days, limit), store, lake, run)


def rows_of(lake, table):
    """Rows of a table with their day, read by DuckDB as anybody would."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        pattern = lake.path(f"{table}/day=*/*.parquet").as_posix()
        found = connection.execute(
            "SELECT * REPLACE (coalesce(day, ?) AS day) FROM read_parquet(?, hive_types = {'day': VARCHAR})",
            [NO_DAY, pattern],
        )
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def month(seed=1, lines=2_000):
    return sound_file(random.Random(seed), "flights", lines, JANUARY.first, JANUARY.last)


def joined(lines):
    return b"\n".join(lines) + b"\n"


# --- what gets in --------------------------------------------------------------------------------------------------


def test_a_month_becomes_one_sorted_file_a_day(bucket, lake):
    lines = month()
    put(bucket, MONTH, gz(joined(lines)))
    outcome = ingest(bucket, lake, MONTH)
    records = list(csv.DictReader(io.StringIO(joined(lines).decode())))
    by_day = Counter(record["day"][:10] for record in records)
    assert isinstance(outcome, Manifest)
    assert {day: counts.written for day, counts in outcome.days.items()} == by_day
    assert (outcome.read, outcome.lawful, outcome.quarantine_files) == (2_000, True, ())
    rows = rows_of(lake, "raw/flights")
    assert Counter(row["day"] for row in rows) == by_day
    assert Counter((row["icao24"], row["lastseen"].strftime("%Y-%m-%d %H:%M:%S")) for row in rows) == Counter(
        (record["icao24"], record["lastseen"][:19]) for record in records
    )
    for file in outcome.files:
        table = pq.read_table(lake.path(file.path), partitioning=None)
        assert (table.num_rows, lake.path(file.path).stat().st_size) == (file.rows, file.bytes)
        keys = list(zip(table["icao24"].to_pylist(), table["lastseen"].to_pylist(), strict=True))
        assert keys == sorted(keys)
        assert table.schema.remove_metadata() == FLIGHTS.schema
        assert file.path.rsplit("/", 1)[1] == f"{outcome.source.stem}.parquet"


def test_footers_tell_where_the_rows_are_from(bucket, lake):
    put(bucket, MONTH, gz(joined([*month(), b"broken"])))
    outcome = ingest(bucket, lake, MONTH)
    for file in (*outcome.files, *outcome.quarantine_files):
        footer = pq.read_metadata(lake.path(file.path)).metadata
        assert {name: footer[f"opensky.{name}".encode()].decode() for name in ("object", "etag")} == {
            "object": MONTH, "etag": outcome.source.etag,
        }  # fmt: skip
        assert footer[b"opensky.contract_version"].decode() == FLIGHTS.version
        assert footer[b"opensky.code_version"].decode() == CODE_VERSION


def test_twice_gives_the_same_bytes(bucket, lake, tmp_path):
    put(bucket, MONTH, gz(joined([*month(), b"broken"])))
    put(bucket, HOUR, hour_tar(joined(sound_file(random.Random(2), "state_vectors", 3_000, *[date(2019, 1, 1)] * 2))))
    other = LocalLake.at(tmp_path / "other")
    for key in (MONTH, HOUR):
        ingest(bucket, lake, key)
        ingest(bucket, other, key)
    assert files_of(lake.root) == files_of(other.root)
    before = files_of(lake.root)
    ingest(bucket, lake, MONTH)
    assert files_of(lake.root) == before


def test_row_groups_are_sorted_each_for_itself(bucket, lake, monkeypatch):
    monkeypatch.setattr("opensky_assets.lake.parquet.ROW_GROUP_ROWS", 500)
    lines = sound_file(random.Random(2), "state_vectors", 1_700, *[date(2019, 1, 1)] * 2)
    put(bucket, HOUR, hour_tar(joined(lines)))
    (file,) = ingest(bucket, lake, HOUR).files
    parquet = pq.ParquetFile(lake.path(file.path))
    groups = [parquet.read_row_group(n) for n in range(parquet.num_row_groups)]
    assert [group.num_rows for group in groups] == [500, 500, 500, 200]
    for group in groups:
        keys = list(zip(group["icao24"].to_pylist(), group["time"].to_pylist(), strict=True))
        assert keys == sorted(keys)


def test_many_days_over_the_buffer_lose_nothing(bucket, lake, monkeypatch):
    monkeypatch.setattr("opensky_assets.lake.parquet.ROW_GROUP_ROWS", 100)
    monkeypatch.setattr("opensky_assets.lake.parquet.BUFFERED_ROWS", 150)
    monkeypatch.setattr("opensky_assets.ingest.blocks.MAX_LINE_BYTES", 4_096)
    monkeypatch.setattr("opensky_assets.ingest.blocks.BLOCK_BYTES", 4_096)
    lines = month()
    put(bucket, MONTH, gz(joined(lines)))
    outcome = ingest(bucket, lake, MONTH)
    assert outcome.total.written == 2_000
    assert len(rows_of(lake, "raw/flights")) == 2_000


def test_the_day_of_a_state_is_that_of_the_key(bucket, lake):
    rng = random.Random(4)
    inside = [state_line(rng, date(2019, 1, 1)) for _ in range(50)]
    outside = state_line(rng, date(2019, 1, 2))
    put(bucket, HOUR, hour_tar(joined([sound_file(rng, "state_vectors", 0, *[date(2019, 1, 1)] * 2)[0], *inside])))
    assert set(ingest(bucket, lake, HOUR).days) == {"2019-01-01"}
    header = b"time,icao24,lat,lon,velocity,heading,vertrate,callsign,onground,alert,spi,squawk,"
    header += b"baroaltitude,geoaltitude,lastposupdate,lastcontact"
    put(bucket, HOUR, hour_tar(joined([header, *inside, outside])))
    outcome = ingest(bucket, lake, HOUR)
    assert {day: (c.written, c.quarantined) for day, c in outcome.days.items()} == {"2019-01-01": (50, 1)}
    (reject,) = rows_of(lake, "quarantine/state_vectors")
    assert reject == {
        "object": HOUR, "line_number": 52, "column": "time", "reason": "outside_period",
        "raw_line": outside.decode(), "day": "2019-01-01",
    }  # fmt: skip


def test_rejects_stand_in_quarantine_by_day_line_column_and_reason(bucket, lake):
    lines = month(lines=100)
    good = lines[1].split(b",")
    bad_number = b",".join([*good[:10], b"x", *good[11:]])
    data = joined([*lines, bad_number, b"a,b", b'"', b"\xff" + lines[1]])
    put(bucket, MONTH, gz(data))
    outcome = ingest(bucket, lake, MONTH)
    day = good[8][:10].decode()
    assert outcome.reasons == {
        day: {"unparsable": 1}, NO_DAY: {"encoding": 1, "field_count": 1, "open_quote": 1},
    }  # fmt: skip
    rejects = rows_of(lake, "quarantine/flights")
    assert {(r["line_number"], r["reason"], r["column"], r["day"]) for r in rejects} == {
        (102, "unparsable", "latitude_1", day), (103, "field_count", None, NO_DAY),
        (104, "open_quote", None, NO_DAY), (105, "encoding", None, NO_DAY),
    }  # fmt: skip
    assert {r["object"] for r in rejects} == {MONTH}
    assert next(r["raw_line"] for r in rejects if r["line_number"] == 105).startswith("\\xff")
    for file in outcome.quarantine_files:
        assert pq.read_schema(lake.path(file.path)).remove_metadata() == QUARANTINE.schema


def test_damaged_files_are_in_the_lake_as_judged(bucket, lake):
    """Through gzip, kernel, Parquet and DuckDB, what comes out is what the judge says of the lines."""
    for n, damaged in enumerate(d for d in damaged_files(150, seed=99) if d.table == "flights"):
        key = f"flights/odd{n}.csv.gz"
        put(bucket, key, gz(damaged.data, 1))
        outcome = ingest(bucket, lake, key, limit=1)
        expected = judge.judge(damaged.data, "flights", date(2017, 1, 1), date(2022, 12, 31))
        assert outcome.read == expected.records
        found = [row for row in rows_of(lake, "quarantine/flights") if row["object"] == key] if expected.bad else []
        assert {row["line_number"]: (row["reason"], row["column"], row["day"]) for row in found} == expected.bad
        assert sum(f.rows for f in outcome.files) == len(expected.good)


def test_extra_and_missing_columns_are_noted(bucket, lake):
    put(bucket, MONTH, b"lastseen,x,icao24\n2019-01-03 00:00:00Z,1,3c6589\n")
    assert ingest(bucket, lake, MONTH).notes == {
        "extra_columns": ["x"],
        "missing_columns": [name for name in FLIGHTS.schema.names if name not in ("lastseen", "icao24")],
    }


def test_a_header_alone_is_an_object_without_rows(bucket, lake):
    put(bucket, MONTH, gz(month(lines=0)[0]))
    outcome = ingest(bucket, lake, MONTH)
    assert (outcome.read, outcome.files, dict(outcome.days)) == (0, (), {})
    assert list(lake.manifests("flights")) == [MONTH]


# --- what does not -------------------------------------------------------------------------------------------------

GOOD = joined(month(lines=50))
HELD_BACK = {
    "over the limit": (MONTH, gz(joined([*month(lines=10), b"x"])), Reason.OVER_QUARANTINE_LIMIT),
    "a wrong header": (MONTH, gz(b"a,b,c\n1,2,3\n"), Reason.WRONG_HEADER),
    "an endless header": (MONTH, gz(b"x" * (3 << 20)), Reason.WRONG_HEADER),
    "old Mac line ends": (MONTH, gz(GOOD.replace(b"\n", b"\r")), Reason.WRONG_HEADER),
    "utf-16": (MONTH, GOOD.decode().encode("utf-16"), Reason.WRONG_HEADER),
    "no bytes": (MONTH, b"", Reason.EMPTY_OBJECT),
    "a gzip of nothing": (MONTH, gz(b""), Reason.EMPTY_OBJECT),
    "a cut gzip": (MONTH, gz(GOOD)[:-20], Reason.DAMAGED_CONTAINER),
    "a gzip with a wrong checksum": (MONTH, gz(GOOD)[:-8] + b"abcd" + gz(GOOD)[-4:], Reason.DAMAGED_CONTAINER),
    "a gzip with garbage behind": (MONTH, gz(GOOD) + b"garbage", Reason.DAMAGED_CONTAINER),
    "no tar": (HOUR, b"<html>404</html>", Reason.DAMAGED_CONTAINER),
    "a tar of something else": (HOUR, hour_tar(b"x", name="states.avro"), Reason.DAMAGED_CONTAINER),
}


@pytest.mark.parametrize("name", HELD_BACK)
def test_held_back_for(name, bucket, lake):
    key, data, reason = HELD_BACK[name]
    put(bucket, key, data)
    outcome = ingest(bucket, lake, key)
    assert isinstance(outcome, Held)
    assert (outcome.reason, outcome.days) == (reason, ("2019-01-01",))
    assert outcome.message.startswith(f"{key}: ")
    assert len(outcome.message) < 600 and "\n" not in outcome.message
    assert lake.held(outcome.table) == {key: outcome}
    assert lake.manifests(outcome.table) == {}
    record, *broken = sorted(rows_of(lake, f"quarantine/{outcome.table}"), key=lambda row: row["line_number"])
    assert [(row["object"], row["line_number"], row["raw_line"]) for row in broken] == (
        [(key, 12, "x")] if name == "over the limit" else []
    )
    assert outcome.quarantine_file.rows == 1 + len(broken)
    assert record == {
        "object": key, "line_number": 0, "column": None, "reason": str(reason), "raw_line": outcome.message,
        "day": NO_DAY,
    }  # fmt: skip
    assert not lake.path("raw").exists()


def test_of_an_object_held_back_for_its_records_the_first_are_kept(bucket, lake):
    lines = [b"x%d" % n for n in range(3_000)]
    put(bucket, MONTH, gz(joined([*month(lines=10), *lines])))
    held = ingest(bucket, lake, MONTH)
    found = rows_of(lake, "quarantine/flights")
    broken = [(row["line_number"], row["reason"], row["raw_line"]) for row in found if row["line_number"]]
    assert sorted(broken) == [(12 + n, "field_count", f"x{n}") for n in range(1_000)]
    assert held.quarantine_file.rows == len(found) == 1_001 and held.quarantine_file.path.endswith("-held.parquet")


def test_the_limit_is_the_share_it_says(bucket, lake):
    put(bucket, MONTH, gz(joined([*month(lines=19), b"x"])))
    assert isinstance(ingest(bucket, lake, MONTH, limit=0.05), Manifest)
    assert isinstance(ingest(bucket, lake, MONTH, limit=0.049), Held)
    assert "OPENSKY_QUARANTINE_LIMIT=0.049" in lake.held("flights")[MONTH].message
    put(bucket, MONTH, gz(joined([month()[0], b"x", b"y"])))
    outcome = ingest(bucket, lake, MONTH, limit=1)
    assert (outcome.total.written, outcome.total.quarantined) == (0, 2)


@pytest.mark.parametrize("name", HELD_BACK)
def test_what_was_published_before_stays_when_a_new_version_is_held_back(name, bucket, lake):
    key, data, _ = HELD_BACK[name]
    table, day = ("flights", JANUARY) if key == MONTH else ("state_vectors", Period(*[date(2019, 1, 1)] * 2))
    wrap = gz if key == MONTH else hour_tar
    put(bucket, key, wrap(joined(sound_file(random.Random(1), table, 200, day.first, day.last))))
    before = ingest(bucket, lake, key)
    files = files_of(lake.root, "raw")
    put(bucket, key, data)
    assert isinstance(ingest(bucket, lake, key), Held)
    assert files_of(lake.root, "raw") == files
    assert json.loads(lake.manifests(table)[key].to_json()) == json.loads(before.to_json())
    put(bucket, key, wrap(joined(sound_file(random.Random(5), table, 90, day.first, day.last))))
    assert ingest(bucket, lake, key).total.written == 90
    assert lake.held(table) == {}
    assert not lake.path("quarantine").exists() or not list(lake.path("quarantine").rglob("*.parquet"))


def test_a_new_version_replaces_the_old_and_drops_its_vanished_days(bucket, lake):
    rng = random.Random(6)
    header = month()[0]
    first = [flight_line(rng, date(2019, 1, day)) for day in (1, 2, 3)]
    put(bucket, MONTH, gz(joined([header, *first, b"broken"])))
    ingest(bucket, lake, MONTH, limit=1)
    assert lake.days("raw/flights") == ["2019-01-01", "2019-01-02", "2019-01-03"]
    assert lake.days("quarantine/flights") == [NO_DAY]
    second = [flight_line(rng, date(2019, 1, day)) for day in (2, 2, 4)]
    put(bucket, MONTH, gz(joined([header, *second])))
    ingest(bucket, lake, MONTH)
    assert Counter(row["day"] for row in rows_of(lake, "raw/flights")) == {"2019-01-02": 2, "2019-01-04": 1}
    assert lake.days("quarantine/flights") == []
    assert sorted(p.name for p in lake.path("raw/flights").iterdir()) == ["day=2019-01-02", "day=2019-01-04"]


def test_an_object_replaced_while_it_is_read_is_not_published(bucket, lake):
    put(bucket, MONTH, gz(GOOD))
    store = LocalStore(bucket)
    (item,) = store.list()
    put(bucket, MONTH, gz(joined(month(2, 60))))
    with lake.run() as run, pytest.raises(ObjectGone, match="flightlist"):
        ingest_object(Task(item, FLIGHTS, JANUARY, None, 0.05), store, lake, run)
    (bucket / MONTH).unlink()
    with lake.run() as run, pytest.raises(ObjectGone, match="gone"):
        ingest_object(Task(item, FLIGHTS, JANUARY, None, 0.05), store, lake, run)
    assert not lake.path("raw").exists() and lake.manifests("flights") == {} == lake.held("flights")


# --- memory --------------------------------------------------------------------------------------------------------

PEAK = """
import resource, sys
from datetime import date
from pathlib import Path
import opensky_assets.lake.parquet
from opensky_assets.ingest.blocks import read_blocks
from opensky_assets.ingest.kernel import Task, ingest_object
from opensky_assets.lake import Lake
from opensky_assets.schemas import STATE_VECTORS
from opensky_assets.sources.keys import Period
from opensky_assets.storage.objects import LocalStore
opensky_assets.lake.parquet.ROW_GROUP_ROWS = 20_000  # small buffers are full soon
read_blocks.__defaults__ = (1 << 20,)
store, lake, day = LocalStore(Path(sys.argv[1])), Lake.at(Path(sys.argv[2])), date(2019, 1, 1)
(item,) = store.list()
with lake.run() as run:
    done = ingest_object(Task(item, STATE_VECTORS, Period(day, day), None, 0.05), store, lake, run)
print(done.total.written, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_object(tmp_path):
    lines = sound_file(random.Random(3), "state_vectors", 20_000, *[date(2019, 1, 1)] * 2)
    peaks = {}
    for times in (4, 32):
        folder = tmp_path / f"{times}"
        path = put(folder, HOUR.replace(".tar", ".gz"), b"")
        with igzip.open(path, "wb", compresslevel=0) as out:
            out.write(lines[0] + b"\n")
            block = joined(lines[1:])
            for _ in range(times):
                out.write(block)
        found = subprocess.run(
            [sys.executable, "-c", PEAK, str(folder), str(tmp_path / f"lake{times}")],
            capture_output=True, text=True, check=True, env={"POLARS_MAX_THREADS": "1", "PATH": ""},
        ).stdout.split()  # fmt: skip
        assert int(found[0]) == times * 20_000
        peaks[times] = int(found[1])
    assert peaks[32] < peaks[4] * 1.2, f"KiB: {peaks}"
