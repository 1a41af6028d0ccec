"""A source that misbehaves: what gets in is whole and equal, what does not is named, and nothing is in between."""

import random
from collections import Counter
from datetime import date

import pytest

from opensky_assets.calendar import Period, days_of
from opensky_assets.ingest.reference import sync_aircraft
from opensky_assets.ingest.sync import sync_days
from opensky_assets.schemas import FLIGHTS, STATE_VECTORS, Reason
from opensky_assets.settings import Settings
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests.buckets import FAULTS, TODAY, FaultyStore, copy_bucket, files_of, put
from opensky_assets_tests.containers import gz, hour_tar, tar
from opensky_assets_tests.flight_lists import write_aircraft
from opensky_assets_tests.lakes import LocalLake
from opensky_assets_tests.mutations import sound_file

FAULTS_IN_TEST = 50
DAYS = list(days_of(Period(date(2019, 1, 1), date(2019, 12, 31))))
SETTINGS = Settings(_env_file=None)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Retries wait for seconds; here the source mends by itself."""
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)


def make_bucket(folder):
    rng = random.Random(5)
    for month in range(1, 7):
        first = date(2019, month, 1)
        lines = sound_file(rng, "flights", 40, first, first.replace(day=3))
        data = b"\n".join([*lines, b"broken"]) + b"\n"
        key = f"flights/flightlist_2019{month:02d}01_2019{month:02d}28.csv"
        put(folder, *((f"{key}.gz", gz(data)) if month % 2 else (key, data)))
    for hour in range(4):
        lines = sound_file(rng, "state_vectors", 60, *[date(2019, 1, 7)] * 2)
        put(folder, f"states/.2019-01-07/{hour:02d}/states_2019-01-07-{hour:02d}.csv.tar", hour_tar(b"\n".join(lines)))
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A bucket, and what its objects become: rows files by stem."""
    home = tmp_path_factory.mktemp("undisturbed")
    bucket, lake = make_bucket(home / "bucket"), LocalLake.at(home / "lake")
    for contract in (FLIGHTS, STATE_VECTORS):
        done = sync_days(contract, DAYS, LocalStore(bucket), lake, SETTINGS, TODAY, [].append)
        assert not done.failed and done.read
    return bucket, lake


def rows(lake):
    """Digests of Parquet without the provenance, which names the ETag and so the copy of the bucket."""
    import pyarrow.parquet as pq

    return {
        path: pq.read_table(lake.path(path), partitioning=None).replace_schema_metadata(None).to_pydict()
        for path in files_of(lake.root, "raw", "quarantine")
        if "-held" not in path
    }


def run_with_faults(undisturbed, home, seed, faults, share):
    """Two syncs of a faulty copy of the bucket, checked; how many faults were made."""
    bucket = copy_bucket(undisturbed[0], home / "bucket")
    lake = LocalLake.at(home / "lake")
    store = FaultyStore(LocalStore(bucket), seed, faults, share)
    expected = rows(undisturbed[1])
    for contract in (FLIGHTS, STATE_VECTORS):
        done = sync_days(contract, DAYS, store, lake, SETTINGS, TODAY, [].append)
        in_lake, held = lake.manifests(contract.name), lake.held(contract.name)
        assert not set(in_lake) & set(held), "published and held back"
        assert set(in_lake) | set(held) == {i.key for i in store.list(contract.path.split("/")[1][:5])}
        for key, trouble in held.items():
            assert trouble.reason == Reason.UNREADABLE and trouble.message.startswith(key)
            assert set(trouble.days) <= set(done.failed)
        assert all(manifest.lawful for manifest in in_lake.values())
    found = rows(lake)
    assert found == {path: expected[path] for path in found}, "a published file is as without faults"
    named = {f.path for c in (FLIGHTS, STATE_VECTORS) for m in lake.manifests(c.name).values() for f in m.files}
    assert {path for path in found if path.startswith("raw/")} == named, "nothing is published in part"
    assert not lake.path("_staging").exists()
    for contract in (FLIGHTS, STATE_VECTORS):  # the source is well again
        assert not sync_days(contract, DAYS, LocalStore(bucket), lake, SETTINGS, TODAY, [].append).failed
    assert rows(lake) == expected
    assert [p for p in files_of(lake.root) if "held" in p] == []
    return store.made


def test_faults_leave_whole_objects_or_none(undisturbed, tmp_path):
    made = []
    for seed in range(20):
        share = (0.3, 0.6, 0.9)[seed % 3]
        made += run_with_faults(undisturbed, tmp_path / f"{seed}", seed, FAULTS_IN_TEST - len(made), share)
        if len(made) == FAULTS_IN_TEST:
            break
    assert len(made) == FAULTS_IN_TEST
    assert {fault for _, fault in made} == set(FAULTS)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "drops"])
def test_an_object_that_never_arrives_is_held_back_by_name_and_the_others_go_on(fault, undisturbed, tmp_path):
    bucket, lake = copy_bucket(undisturbed[0], tmp_path / "bucket"), LocalLake.at(tmp_path / "lake")
    key = "flights/flightlist_20190201_20190228.csv"

    class Always(FaultyStore):
        @property
        def rng(self):
            return Fixed(super().rng.random())

    class Fixed(random.Random):
        def choice(self, options):
            return fault

    done = sync_days(
        FLIGHTS, DAYS, Always(LocalStore(bucket), 1, 0, 0, frozenset({key})), lake, SETTINGS, TODAY, [].append
    )
    trouble = lake.held("flights")[key]
    assert trouble.reason == Reason.UNREADABLE and trouble.message.startswith(key) and "\n" not in trouble.message
    assert len(done.read) == 5 and key not in lake.manifests("flights")
    assert set(done.failed) == {day for day in DAYS if day.startswith("2019-02")}
    assert not [path for path in files_of(lake.root, "raw", "quarantine") if "flightlist_20190201" in path]


def test_a_transfer_that_breaks_off_twice_is_read_at_the_third_try(undisturbed, tmp_path):
    bucket, lake = copy_bucket(undisturbed[0], tmp_path / "bucket"), LocalLake.at(tmp_path / "lake")

    class Twice(LocalStore):
        opened = Counter()

        def open(self, item):
            self.opened[item.key] += 1
            stream = super().open(item)
            if self.opened[item.key] < 3:
                return Broken(stream.read(200))
            return stream

    class Broken:
        def __init__(self, data):
            self.left = data

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def read(self, size=-1):
            if not self.left:
                raise ConnectionResetError(104, "Connection reset by peer")
            self.left, data = b"", self.left
            return data

    done = sync_days(STATE_VECTORS, DAYS, Twice(bucket), lake, SETTINGS, TODAY, [].append)
    assert len(done.read) == 4 and not done.failed
    assert set(Twice.opened.values()) == {3}


def test_an_aircraft_table_that_does_not_arrive_is_held_back_and_the_database_stays(tmp_path):
    bucket, lake = tmp_path / "bucket", LocalLake.at(tmp_path / "lake")
    path = write_aircraft(bucket)
    other = put(bucket, "metadata/aircraftDatabase-2020-01.csv", path.read_bytes().replace(b"4b1801", b"4b1802"))
    said = []
    sync_aircraft(LocalStore(bucket), lake, SETTINGS, TODAY, said.append)
    before = files_of(lake.root, "reference")
    other.write_bytes(other.read_bytes().replace(b"HB-JVA", b"HB-JVB"))
    key = "metadata/aircraftDatabase-2020-01.csv"

    class Cut(LocalStore):
        def open(self, item):
            if item.key != key:
                return super().open(item)
            import io

            return io.BytesIO(super().open(item).read()[:300])

    report = sync_aircraft(Cut(bucket), lake, SETTINGS, TODAY, said.append)
    assert any(message.startswith(key) for message in report.messages)
    assert lake.held("aircraft_database")[key].reason == Reason.UNREADABLE
    assert files_of(lake.root, "reference") == before
    report = sync_aircraft(LocalStore(bucket), lake, SETTINGS, TODAY, said.append)
    assert (report.messages, report.rows, lake.held("aircraft_database")) == ([], 2, {})


def test_an_aircraft_table_over_the_limit_shows_which_records_broke(tmp_path):
    import pyarrow.parquet as pq

    bucket, lake = tmp_path / "bucket", LocalLake.at(tmp_path / "lake")
    path = write_aircraft(bucket)
    sync_aircraft(LocalStore(bucket), lake, SETTINGS, TODAY, [].append)
    rows = files_of(lake.root, "reference")
    sound = path.read_bytes()
    path.write_bytes(sound + b"\n".join(sound.splitlines()[-1].replace(b"4b1801", b"x") for _ in range(3)) + b"\n")
    report = sync_aircraft(LocalStore(bucket), lake, SETTINGS, TODAY, [].append)
    key = "metadata/aircraftDatabase.csv"
    held = lake.held("aircraft_database")[key]
    assert held.reason == Reason.OVER_QUARANTINE_LIMIT
    assert held.message.startswith(f"{key}: 3 of 5 records break the contract, more than OPENSKY_QUARANTINE_LIMIT=0.05")
    assert held.quarantine_file.path.endswith("-held.parquet")
    records = pq.read_table(lake.path(held.quarantine_file.path)).to_pylist()
    assert [(r["object"], r["line_number"], r["reason"]) for r in records] == [
        (key, 0, "over_quarantine_limit"), (key, 2, "null_key"),
        *((key, line, "bad_icao24") for line in (4, 5, 6)),
    ]  # fmt: skip
    assert held.quarantine_file.rows == len(records)
    assert files_of(lake.root, "reference") == rows
    assert all(manifest.lawful for manifest in report.manifests.values())
    path.write_bytes(sound)
    sync_aircraft(LocalStore(bucket), lake, SETTINGS, TODAY, [].append)
    assert not lake.held("aircraft_database")


def test_an_aircraft_table_that_the_ingest_fails_on_stops_no_other(tmp_path):
    bucket, lake = tmp_path / "bucket", LocalLake.at(tmp_path / "lake")
    path = write_aircraft(bucket)
    put(bucket, "metadata/aircraftDatabase-2020-01.csv", path.read_bytes().replace(b"4b1801", b"4b1802"))
    key = "metadata/aircraftDatabase-2020-01.csv"

    class Defective(LocalStore):
        def open(self, item):
            if item.key == key and looked_at:
                raise ZeroDivisionError("a defect")
            looked_at.append(item.key)
            return super().open(item)

    looked_at = []

    report = sync_aircraft(Defective(bucket), lake, SETTINGS, TODAY, [].append)
    assert (lake.held("aircraft_database")[key].reason, report.rows) == (Reason.FAILED, 1)


def test_members_beside_an_aircraft_table_are_named(tmp_path):
    bucket, lake = tmp_path / "bucket", LocalLake.at(tmp_path / "lake")
    path = write_aircraft(bucket)
    path.write_bytes(tar({"x.csv": path.read_bytes(), "types.xls": b"x"}))
    sync_aircraft(LocalStore(bucket), lake, SETTINGS, TODAY, [].append)
    (manifest,) = lake.manifests("aircraft_database").values()
    assert manifest.notes["other_members"] == ["types.xls"]
