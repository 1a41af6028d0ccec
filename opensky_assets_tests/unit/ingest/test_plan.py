"""What there is to do, what a sync does of it, and what it says."""

import json
import os
import random
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensky_assets.calendar import Period, days_of, ranges_of
from opensky_assets.datasets import registry
from opensky_assets.ingest.plan import Status, make_plan
from opensky_assets.ingest.sync import sync_days
from opensky_assets.jobs.report import plan_lines
from opensky_assets.schemas import FLIGHTS, STATE_VECTORS, Reason
from opensky_assets.settings import Settings
from opensky_assets.sources.keys import SIMULATED_MARKER
from opensky_assets.storage.errors import SourceError
from opensky_assets.storage.objects import LocalStore
from opensky_assets.storage.telemetry import recording
from opensky_assets.transforms.flights import objects_of
from opensky_assets_tests.buckets import TODAY, CountingStore, files_of, put
from opensky_assets_tests.containers import gz, hour_tar, tar
from opensky_assets_tests.flight_lists import write_aircraft
from opensky_assets_tests.lakes import LocalLake
from opensky_assets_tests.mutations import FLIGHTS_HEADER, STATES_HEADER, flight_line, sound_file, state_line

VARIANTS = Path("../shared/data/variants")
JANUARY = "flights/flightlist_20190101_20190131.csv.gz"
FEBRUARY = "flights/flightlist_20190201_20190228.csv.gz"
HOUR = "states/.2019-01-07/10/states_2019-01-07-10.csv.tar"
LATE_HOUR = "states/2021-05-31/10/states_2021-05-31-10.csv.tar"
UNDATED = "flights/mine.csv"


def flights(first, last, lines=20, seed=1):
    return b"\n".join(sound_file(random.Random(seed), "flights", lines, first, last)) + b"\n"


def states(day, lines=20):
    return b"\n".join(sound_file(random.Random(1), "state_vectors", lines, day, day)) + b"\n"


@pytest.fixture
def bucket(tmp_path):
    folder = tmp_path / "bucket"
    put(folder, JANUARY, gz(flights(date(2019, 1, 1), date(2019, 1, 31))))
    put(folder, FEBRUARY, gz(flights(date(2019, 2, 1), date(2019, 2, 28))))
    put(folder, HOUR, hour_tar(states(date(2019, 1, 7))))
    put(folder, LATE_HOUR, hour_tar(states(date(2021, 5, 31))))
    put(folder, UNDATED, flights(date(2020, 3, 1), date(2020, 3, 2)))
    write_aircraft(folder)
    return folder


@pytest.fixture
def lake(tmp_path):
    return LocalLake.at(tmp_path / "lake")


def plan(bucket, lake, today=TODAY, **settings):
    return make_plan(LocalStore(bucket), lake, Settings(_env_file=None, **settings), today)


def sync(bucket, lake, days=None, contract=FLIGHTS, store=None, **settings):
    days = every_day(2019) + every_day(2020) + every_day(2021) if days is None else days
    store = store or LocalStore(bucket)
    return sync_days(contract, days, store, lake, Settings(_env_file=None, **settings), TODAY, [].append)


def warnings_in(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def every_day(year):
    return list(days_of(Period(date(year, 1, 1), date(year, 12, 31))))


def statuses(made):
    return {o.source.key: str(o.status) for o in made.objects}


# --- recognition ---------------------------------------------------------------------------------------------------


def test_every_object_has_its_table_its_days_and_its_status(bucket, lake):
    made = plan(bucket, lake)
    assert {o.source.key: (o.table, o.days and (o.days[0], o.days[-1], len(o.days))) for o in made.objects} == {
        JANUARY: ("flights", ("2019-01-01", "2019-01-31", 31)),
        FEBRUARY: ("flights", ("2019-02-01", "2019-02-28", 28)),
        UNDATED: ("flights", None),
        HOUR: ("state_vectors", ("2019-01-07", "2019-01-07", 1)),
        LATE_HOUR: ("state_vectors", ("2021-05-31", "2021-05-31", 1)),
        "metadata/aircraftDatabase.csv": ("aircraft_database", None),
    }
    assert set(statuses(made).values()) == {"new"}
    assert made.vanished == made.outside_calendar == made.unreadable == ()
    assert made.unrecognised == made.other_members == {}
    assert [o.source.key for o in made.of("flights")] == [UNDATED, JANUARY, FEBRUARY]
    assert [o.source.key for o in made.of("flights", ["2019-02-03"])] == [UNDATED, FEBRUARY]
    assert made.days(date(2019, 1, 30), date(2019, 2, 2)) == ["2019-01-30", "2019-01-31", "2019-02-01", "2019-02-02"]


def test_what_is_no_table_of_ours_is_told_and_left_alone(bucket, lake):
    strange = {
        "flights/notes.csv": (b"a,b\n1,2\n", "lacks icao24, lastseen; it begins with 'a,b'"),
        "flights/seen.csv": (b"icao24,lastseen\n1,2\n", "lacks firstseen; it begins with 'icao24,lastseen'"),
        "states/notes.csv": (b"time,icao24\n1,2\n", "lacks lat, lon; it begins with 'time,icao24'"),
        "metadata/notes.csv": (b"a,b\n1,2\n", "no icao24 column with aircraft columns beside it; it begins with 'a,b'"),
        "metadata/notes.txt": (b"a,b\n1,2\n", "no table has objects of this name"),
        "flights/broken.csv.gz": (gz(b"x" * 100_000)[:40], "does not unpack"),
        "flights/empty.csv": (b"", "is empty"),
        "flights/mac.csv": (b"icao24,lastseen\r1,2\r", "it begins with 'icao24,lastseen"),
        "data/picture.png": (b"\x89PNG", "no table has objects of this name"),
        "states/random.csv": (bytes(range(256)) * 10, "lacks time, icao24; it begins with"),
        "flights/one_line.csv": (b"x" * 300_000, "lacks icao24, lastseen; it begins with 'xxx"),
        "states/untimed.json": (b'{"states":[["4b1801"]]}', "has no `time` before its `states`"),
        "states/cut.json": (b'{"icao24":"4b1801",', "a complete JSON object"),
        "states/other.json": (b'{"icao24":"4b1801","time":1}', "lacks latitude, longitude of state_vectors"),
        "flights/other.json": (b'[{"icao24":"4b1801","firstSeen":1}]', "lacks lastSeen of flights"),
        "flights/none.json": (b"[]", "a complete JSON object"),
    }
    for key, (data, _) in strange.items():
        put(bucket, key, data)
    put(bucket, HOUR.replace(".csv.", ".avro."), b"the same hour in another format")
    put(bucket, SIMULATED_MARKER, b"")
    made = plan(bucket, lake)
    assert set(made.unrecognised) == set(strange)
    for key, (_, why) in strange.items():
        assert why in made.unrecognised[key], key
        assert len(made.unrecognised[key]) < 500
    assert len(made.objects) == 6


STATE = ["4b1801", "SWR1    ", "Switzerland", 1583064000, 1583064005, 8.5, 47.4, 900.0, False, 90.0, 10.0, 0.0, None,
         950.0, "1000", False, 0]  # fmt: skip
FLIGHT = {"icao24": "4b1801", "firstSeen": 1583060000, "lastSeen": 1583064000, "estDepartureAirport": "LSZH"}


@pytest.mark.parametrize(
    ("key", "answer", "contract"),
    [
        ("states/spain.json", {"time": 1583064010, "states": [STATE]}, STATE_VECTORS),
        ("data/poll_1.json.gz", {"time": 1583064010, "states": [STATE]}, STATE_VECTORS),
        (
            "states/poll_1.ndjson.gz",
            {"time": 1583064010, "icao24": "4b1801", "latitude": 47.4, "longitude": 8.5, "last_contact": 1583064005},
            STATE_VECTORS,
        ),
        ("flights/zurich.json", [FLIGHT], FLIGHTS),
        ("flights/2020/zurich.jsonl", FLIGHT, FLIGHTS),
    ],
)
def test_an_answer_is_recognised_by_its_content_where_its_name_does_not_say(tmp_path, lake, key, answer, contract):
    text = json.dumps(answer).encode()
    put(tmp_path / "bucket", key, gz(text) if key.endswith(".gz") else text)
    store = CountingStore(LocalStore(tmp_path / "bucket"))
    (found,) = make_plan(store, lake, Settings(_env_file=None), TODAY).objects
    assert (found.table, found.days) == (contract.name, None)
    done = sync(tmp_path / "bucket", lake, ["2020-03-01"], contract)
    (read,) = done.read
    assert {day: counts.written for day, counts in read.days.items()} == {"2020-03-01": 1}
    store.opened.clear()
    (found,) = make_plan(store, lake, Settings(_env_file=None), TODAY).objects
    assert (found.days, found.status, store.opened) == (("2020-03-01",), Status.UNCHANGED, Counter())


def test_flights_recognised_by_content_are_of_the_api(bucket, lake):
    put(bucket, "flights/zurich.json", json.dumps([FLIGHT]).encode())
    sync(bucket, lake, ["2019-01-01"])
    days = lake.manifests("flights")["flights/zurich.json"].days
    rows = objects_of(lake, lake.committed("flights", days)).to_pylist()
    kinds = {row["source_object"]: row["origin_kind"] for row in rows}
    assert kinds["flights/zurich.json"] == "api"


def test_a_large_foreign_file_is_not_read_to_be_recognised(tmp_path, lake):
    put(tmp_path / "bucket", "states/large.json", b'{"features": [' + b"1, " * (8 << 20) + b"1]}")
    with recording() as requests:
        made = plan(tmp_path / "bucket", lake)
    assert "states/large.json" in made.unrecognised
    assert requests.totals.received_bytes < 4 << 20


def test_what_is_no_object_is_named_with_the_reason(bucket, lake):
    os.mkfifo(bucket / "flights" / "pipe.csv")
    (bucket / "loop").symlink_to(bucket)
    made = plan(bucket, lake)
    assert made.unrecognised["flights/pipe.csv"] == "a FIFO, not a regular file"
    assert "a folder above it" in made.unrecognised["loop"]
    assert len(made.objects) == 6


def test_objects_below_a_link_to_nowhere_have_not_vanished(bucket, lake, tmp_path):
    (bucket / "flights").rename(tmp_path / "disk")
    (bucket / "flights").symlink_to(tmp_path / "disk")
    sync(bucket, lake)
    assert set(lake.manifests("flights")) == {JANUARY, FEBRUARY, UNDATED}
    (tmp_path / "disk").rename(tmp_path / "unmounted")
    made = plan(bucket, lake)
    assert (made.vanished, made.unrecognised) == ((), {"flights": "a broken symbolic link"})
    (bucket / "flights").unlink()
    assert len(plan(bucket, lake).vanished) == 3


def test_a_source_that_lists_nothing_has_not_lost_everything(bucket, lake, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert plan(empty, lake).objects == ()
    sync(bucket, lake)
    with pytest.raises(SourceError, match=r"lists no object.*3 objects.*OPENSKY_SOURCE.*--yes"):
        plan(empty, lake)


def test_members_beside_the_table_are_in_the_manifest_and_in_the_plan(bucket, lake):
    (bucket / LATE_HOUR).unlink()
    put(bucket, HOUR, tar({"LICENSE.txt": b"x", "states.avro": b"x", "x.csv.gz": gz(states(date(2019, 1, 7)))}))
    sync(bucket, lake, contract=STATE_VECTORS)
    assert lake.manifests("state_vectors")[HOUR].notes["other_members"] == ["states.avro"]
    assert plan(bucket, lake).other_members == {HOUR: ("states.avro",)}


def test_names_cannot_write_on_the_terminal(bucket, lake):
    name = "flights/\x1b[2Jevil\nname\u202e.csv"
    put(bucket, name, b"a\x1b[31m,b\n")
    put(bucket, HOUR, tar({"x.csv.gz": gz(states(date(2019, 1, 7))), "b\x1b.avro": b"x"}))
    sync(bucket, lake, contract=STATE_VECTORS)
    (bucket / LATE_HOUR).unlink()
    lines = list(plan_lines(plan(bucket, lake), "file:///x", "real", date(2019, 1, 1), date(2019, 1, 2)))
    assert any(r"flights/\x1b[2Jevil\nname\u202e.csv: lacks icao24" in line for line in lines)
    assert any(line.endswith(rf"{HOUR}: b\x1b.avro") for line in lines)
    assert all(line.isprintable() for line in lines)


def test_days_outside_the_calendar_have_no_partition(bucket, lake):
    today = date(2021, 5, 31)
    put(bucket, "flights/flightlist_20150101_20150131.csv", FLIGHTS_HEADER)
    put(bucket, "flights/flightlist_20161231_20170102.csv", FLIGHTS_HEADER)
    put(bucket, "flights/flightlist_20210501_20210531.csv", FLIGHTS_HEADER)
    made = plan(bucket, lake, today)
    assert set(made.outside_calendar) == {LATE_HOUR, "flights/flightlist_20150101_20150131.csv"}
    days = {o.source.key: o.days for o in made.objects}
    assert days["flights/flightlist_20161231_20170102.csv"] == ("2017-01-01", "2017-01-02")
    assert days["flights/flightlist_20210501_20210531.csv"][-1] == "2021-05-30"


def test_an_undated_object_is_told_by_its_header(bucket, lake):
    rng = random.Random(3)
    line = flight_line(rng, date(2020, 3, 1))
    put(bucket, "data/a.csv.gz", gz(b"x," + FLIGHTS_HEADER.upper() + b"\r\n1," + line + b"\r\n"))
    put(
        bucket,
        "states/b.csv",
        b"\xef\xbb\xbf" + STATES_HEADER + b",hour\n" + state_line(rng, date(2020, 3, 1)) + b",1\n",
    )
    tables = {o.source.key: o.table for o in plan(bucket, lake).objects}
    assert (tables["data/a.csv.gz"], tables["states/b.csv"]) == ("flights", "state_vectors")
    done = sync(bucket, lake, ["2020-03-01"], STATE_VECTORS)
    assert {m.source.key: dict(m.days)["2020-03-01"].written for m in done.read} == {"states/b.csv": 1}


@pytest.mark.skipif(not VARIANTS.is_dir(), reason=f"recorded variants are not here: {VARIANTS}")
def test_recorded_variants_are_recognised_and_read_whole(tmp_path, lake):
    import csv
    import gzip

    contracts = {
        "belevingsvlucht_2018-05-30_impala.csv": STATE_VECTORS,
        "excerpt_2018-05-21_8cols_floats.csv": STATE_VECTORS,
        "variant_subset_with_pandas_index.csv.gz": FLIGHTS,
    }
    counts, folder = {}, tmp_path / "bucket"
    for name, contract in contracts.items():
        data = (VARIANTS / name).read_bytes()
        key = f"{contract.path.split('/')[1].removesuffix('_vectors').removesuffix('s')}s/{name}"
        put(folder, key, data)
        text = (gzip.decompress(data) if name.endswith(".gz") else data).decode().splitlines()
        rows = list(csv.DictReader(text))
        assert rows
        counts[key] = len(rows)
    assert plan(folder, lake).unrecognised == {}
    for contract in (STATE_VECTORS, FLIGHTS):
        done = sync(folder, lake, every_day(2018) + every_day(2020), contract)
        for read in done.read:
            assert (read.total.written, read.total.quarantined) == (counts.pop(read.source.key), 0)
    assert counts == {}


# --- filters and limits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        ({"year": 2019}, {JANUARY, FEBRUARY, HOUR, UNDATED}),
        ({"month": 5}, {LATE_HOUR, UNDATED}),
        ({"year": 2019, "month": 1}, {JANUARY, HOUR, UNDATED}),
        ({"day": 31}, {JANUARY, LATE_HOUR, UNDATED}),
        ({"year": 2019, "month": 2, "day": 30}, set()),
    ],
)
def test_filters_keep_the_objects_that_may_hold_a_day(settings, keys, bucket, lake):
    found = {o.source.key for o in plan(bucket, lake, **settings).objects if o.table != "aircraft_database"}
    assert found - {UNDATED} == keys - {UNDATED}


def test_the_file_limit_takes_the_oldest_and_marks_the_days_it_cuts(bucket, lake, caplog):
    half = "flights/flightlist_20190201_20190214.csv.gz"
    put(bucket, half, gz(flights(date(2019, 2, 1), date(2019, 2, 14), lines=100)))
    (bucket / UNDATED).unlink()
    february = list(days_of(Period(date(2019, 2, 1), date(2019, 2, 28))))
    done = sync(bucket, lake, every_day(2019), file_limit=2)
    assert [m.source.key for m in done.read] == [JANUARY, half]
    assert warnings_in(caplog) == ["OPENSKY_FILE_LIMIT leaves 1 object of these days to later runs"]
    assert {day: facts.waiting for day, facts in done.days.items() if facts.waiting} == {
        day: [FEBRUARY] for day in february if day in done.days
    }
    done = sync(bucket, lake, every_day(2019), file_limit=2)
    assert [m.source.key for m in done.read] == [FEBRUARY]
    assert not any(facts.waiting for facts in done.days.values())


# --- the lake in the plan ------------------------------------------------------------------------------------------


def test_new_changed_unchanged_and_vanished(bucket, lake, caplog):
    sync(bucket, lake)
    assert statuses(plan(bucket, lake)) == {
        JANUARY: "unchanged", FEBRUARY: "unchanged", UNDATED: "unchanged",
        HOUR: "new", LATE_HOUR: "new", "metadata/aircraftDatabase.csv": "new",
    }  # fmt: skip
    put(bucket, FEBRUARY, gz(flights(date(2019, 2, 1), date(2019, 2, 3), seed=9)))
    (bucket / JANUARY).unlink()
    made = plan(bucket, lake)
    assert statuses(made)[FEBRUARY] == "changed" and JANUARY not in statuses(made)
    assert [m.source.key for m in made.vanished] == [JANUARY]
    before = files_of(lake.root, "raw")
    done = sync(bucket, lake)
    assert [m.source.key for m in done.read] == [FEBRUARY]
    assert warnings_in(caplog) == [f"{JANUARY} was deleted from the source; its rows stay in the lake"]
    kept = {path: digest for path, digest in files_of(lake.root, "raw").items() if "flightlist_20190101" in path}
    assert kept and kept.items() <= before.items(), "the rows of a vanished object stay"


def test_an_unchanged_object_has_the_days_it_gave(bucket, lake):
    done = sync(bucket, lake)
    gave = {m.source.key: set(m.days) for m in done.read}
    assert {o.source.key: set(o.days) for o in plan(bucket, lake).of("flights")} == gave


def test_a_second_sync_opens_nothing(bucket, lake):
    write_aircraft(bucket)
    sync(bucket, lake)
    sync(bucket, lake, contract=STATE_VECTORS)
    (bucket / "metadata/aircraftDatabase.csv").unlink()
    store, before = CountingStore(LocalStore(bucket)), files_of(lake.root)
    for contract, objects in ((FLIGHTS, 3), (STATE_VECTORS, 2)):
        done = sync(bucket, lake, contract=contract, store=store)
        assert (done.read, done.unchanged, done.failed, done.messages) == ([], objects, {}, [])
        assert f"read no object ({objects} unchanged and not opened)" in done.summary()
    assert store.opened == Counter()
    assert files_of(lake.root) == before


def test_the_data_version_follows_the_content(bucket, lake):
    first = sync(bucket, lake, ["2019-01-05"]).data_version
    assert sync(bucket, lake, ["2019-01-05"]).data_version == first
    put(bucket, JANUARY, gz(flights(date(2019, 1, 1), date(2019, 1, 31), seed=7)))
    assert sync(bucket, lake, ["2019-01-05"]).data_version != first


def test_whoever_asks_for_a_day_gets_the_object_whole_and_holes_are_told(bucket, lake):
    (bucket / UNDATED).unlink()
    put(bucket, JANUARY, gz(b"\n".join([FLIGHTS_HEADER, flight_line(random.Random(1), date(2019, 1, 5))])))
    done = sync(bucket, lake, ["2019-01-05", "2019-01-06", "2019-03-01"])
    assert (list(done.days), done.holes, done.failed) == (["2019-01-05"], ["2019-01-06", "2019-03-01"], {})
    assert sync(bucket, lake, ["2019-02-01"]).read[0].source.key == FEBRUARY
    assert not sync(bucket, lake, list(days_of(Period(date(2019, 2, 1), date(2019, 2, 28))))).read


# --- objects held back ---------------------------------------------------------------------------------------------


def test_a_held_object_fails_only_its_days_and_is_retried_alone(bucket, lake):
    put(bucket, FEBRUARY, gz(b"a,b\n1,2\n"))
    done = sync(bucket, lake, every_day(2019))
    assert sorted(done.failed) == list(days_of(Period(date(2019, 2, 1), date(2019, 2, 28))))
    assert all(FEBRUARY in message for messages in done.failed.values() for message in messages)
    assert set(done.good_days) == {day for day in done.days if day < "2019-02-01"} != set()
    store = CountingStore(LocalStore(bucket))
    done = sync(bucket, lake, every_day(2019), store=store)
    del store.opened["metadata/aircraftDatabase.csv"]
    assert store.opened == Counter([FEBRUARY])
    assert (len(done.failed), done.unchanged) == (28, 1)
    put(bucket, FEBRUARY, gz(flights(date(2019, 2, 1), date(2019, 2, 28))))
    done = sync(bucket, lake, every_day(2019))
    assert (done.failed, lake.held("flights"), [m.source.key for m in done.read]) == ({}, {}, [FEBRUARY])


def test_a_held_object_is_forgotten_when_it_is_gone_and_not_when_a_filter_hides_it(bucket, lake):
    put(bucket, FEBRUARY, gz(b"a,b\n1,2\n"))
    sync(bucket, lake)
    files = files_of(lake.root, "quarantine")
    sync(bucket, lake, year=2020)
    sync(bucket, lake, ["2019-01-01"])
    assert set(lake.held("flights")) == {FEBRUARY}
    assert files_of(lake.root, "quarantine") == files != {}
    (bucket / FEBRUARY).unlink()
    sync(bucket, lake)
    assert lake.held("flights") == {} and files_of(lake.root, "quarantine") == {}


def test_an_object_that_cannot_be_looked_into_stops_no_other(bucket, lake, caplog):
    class Shut(LocalStore):
        def open(self, item):
            if item.key == UNDATED:
                raise SourceError(f"{item.key}: cannot be opened (Permission denied); check its permissions")
            return super().open(item)

    done = sync(bucket, lake, store=Shut(bucket))
    assert {m.source.key for m in done.read} == {JANUARY, FEBRUARY}
    assert [line for line in warnings_in(caplog) if UNDATED in line and "Permission denied" in line]
    assert {m.source.key for m in sync(bucket, lake).read} == {UNDATED}


def test_a_known_object_that_cannot_be_opened_is_held_back_with_its_days(bucket, lake):
    class Shut(LocalStore):
        def open(self, item):
            if item.key == FEBRUARY:
                raise SourceError(f"{item.key}: cannot be opened (Permission denied); check its permissions")
            return super().open(item)

    done = sync(bucket, lake, every_day(2019), store=Shut(bucket))
    assert lake.held("flights")[FEBRUARY].reason == Reason.UNREADABLE
    assert len(done.failed) == 28 and "2019-01-01" not in done.failed


# --- outdated ------------------------------------------------------------------------------------------------------


def test_rows_of_another_contract_are_read_again_on_request_only(bucket, lake, monkeypatch):
    sync(bucket, lake)
    monkeypatch.setitem(
        registry._CONTRACTS,
        "flights",
        replace(FLIGHTS, version="next"),
    )
    assert {o.status for o in plan(bucket, lake).of("flights")} == {Status.OUTDATED}
    assert sync(bucket, lake).read == []
    assert len(sync(bucket, lake, refresh=True).read) == 3


# --- ranges_of -----------------------------------------------------------------------------------------------------


@given(st.sets(st.dates(date(2019, 12, 20), date(2020, 3, 10)), max_size=60))
def test_stretches_are_the_longest_runs_of_just_these_days(days):
    names = {day.isoformat() for day in days}
    runs = ranges_of(names)
    covered = [name for a, b in runs for name in days_of(Period(date.fromisoformat(a), date.fromisoformat(b)))]
    assert covered == sorted(names)
    for (_, last), (first, _) in pairwise(runs):
        assert date.fromisoformat(first) - date.fromisoformat(last) > timedelta(days=1)


@pytest.mark.parametrize("name", ["a{b}", "{day}", "a%20b", "it's [1]", "x" * 245, "ü" * 120, "..", "*"])
def test_no_name_of_an_object_is_too_odd_for_its_files(tmp_path, lake, name):
    line = b",,4b1801,,,LSZH,EDDF,2020-03-01 10:00:00+00:00,2020-03-01 11:00:00+00:00,2020-03-01 00:00:00+00:00,,,,,,"
    put(tmp_path / "bucket", f"flights/{name}.csv", FLIGHTS_HEADER + b"\n" + line + b"\n")
    done = sync(tmp_path / "bucket", lake, ["2020-03-01"])
    assert [manifest.total.written for manifest in done.read] == [1] and not done.messages
    (path,) = lake.day_files("raw/flights", ["2020-03-01"])["2020-03-01"]
    assert lake.parquet(path).metadata.num_rows == 1
