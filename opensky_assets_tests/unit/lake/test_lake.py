"""What counts in a lake, what a crash leaves, whose lake it is, and what happens where it cannot be written."""

import os
import random
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensky_assets.lake import Counts, Held, LakeError, Manifest, OutputFile
from opensky_assets.storage.files import _writing
from opensky_assets.storage.objects import SourceObject
from opensky_assets_tests.buckets import files_of, let_others_in, put
from opensky_assets_tests.containers import gz
from opensky_assets_tests.lakes import LocalLake, commit, hold
from opensky_assets_tests.mutations import sound_file

ITEM = SourceObject("flights/a.csv.gz", 10, "10-1")
BASE = f"_manifest/flights/{ITEM.key_hash}"


@pytest.fixture
def lake(tmp_path):
    return LocalLake.at(tmp_path / "lake")


def staged(run, text="rows"):
    path = run.folder("x") / "file"
    path.write_text(text)
    return path


def raw(day, name=f"a-{ITEM.key_hash}"):
    return f"raw/flights/day={day}/{name}.parquet"


def manifest(files=(), read=None, quarantine=(), item=ITEM, days=None):
    rows = len(files)
    return Manifest(
        table="flights",
        source=item,
        source_uri="file:///bucket",
        contract_version="1",
        code_version="1",
        read=rows + len(quarantine) if read is None else read,
        days={"2019-01-01": Counts(rows, len(quarantine))} if days is None else days,
        reasons={},
        files=tuple(OutputFile(path, 1, 4) for path in files),
        quarantine_files=tuple(OutputFile(path, 1, 4) for path in quarantine),
    )


def held(file=None, item=ITEM):
    return Held("flights", item, "wrong_header", "a: no header", ("2019-01-01",), file and OutputFile(file, 1, 4))


# --- publish and commit --------------------------------------------------------------------------------------------


def test_a_commit_publishes_the_files_and_names_them(lake):
    made = manifest([raw("2019-01-01"), raw("2019-01-02")])
    with lake.run() as run:
        commit(lake, made, {path.path: staged(run, path.path) for path in made.files}, run)
    assert lake.manifests("flights") == {ITEM.key: made}
    assert lake.path(raw("2019-01-02")).read_text() == raw("2019-01-02")
    assert lake.days("raw/flights") == ["2019-01-01", "2019-01-02"]
    assert lake.committed("flights", ["2019-01-02", "2019-01-03"]) == {"2019-01-02": [(raw("2019-01-02"), 1)]}
    assert sorted(files_of(lake.root)) == [f"{BASE}.json", raw("2019-01-01"), raw("2019-01-02")]


def test_a_second_commit_drops_what_only_the_first_had(lake):
    quarantine = "quarantine/flights/day=2019-01-01/a.parquet"
    with lake.run() as run:
        commit(
            lake,
            manifest([raw("2019-01-01"), raw("2019-01-02")], quarantine=[quarantine]),
            {raw("2019-01-01"): staged(run), raw("2019-01-02"): staged(run), quarantine: staged(run)},
            run,
        )
        commit(lake, manifest([raw("2019-01-02")]), {raw("2019-01-02"): staged(run, "new")}, run)
    assert sorted(files_of(lake.root)) == [f"{BASE}.json", raw("2019-01-02")]
    assert lake.path(raw("2019-01-02")).read_text() == "new"
    assert not lake.path("raw/flights/day=2019-01-01").exists()


@pytest.mark.parametrize(
    "broken",
    [
        manifest([raw("2019-01-01")], read=2),
        manifest([raw("2019-01-01")], read=0),
        manifest([raw("2019-01-01")], read=2, days={"2019-01-01": Counts(2, 0)}),
        manifest([], quarantine=["q"], read=1, days={"2019-01-01": Counts(1, 0)}),
        manifest([raw("2019-01-01")], read=2, days={"2019-01-01": Counts(1, 1)}),
    ],
)
def test_what_breaks_the_law_of_counting_is_refused_whole(lake, broken):
    with lake.run() as run, pytest.raises(LakeError, match=r"flights/a\.csv\.gz: read \d"):
        commit(lake, broken, {raw("2019-01-01"): staged(run)}, run)
    assert files_of(lake.root) == {}


def test_superseded_records_count_in_the_law():
    assert manifest([raw("2019-01-01")], read=6, days={"d": Counts(1, 0, 5)}).lawful
    assert not manifest([raw("2019-01-01")], read=1, days={"d": Counts(1, 0, 5)}).lawful


def test_holding_back_leaves_what_was_published_and_a_commit_ends_it(lake):
    first, record = raw("2019-01-01"), "quarantine/flights/day=x/a-held.parquet"
    with lake.run() as run:
        commit(lake, manifest([first]), {first: staged(run)}, run)
        hold(lake, held(record), staged(run, "why"), run)
        assert lake.held("flights") == {ITEM.key: held(record)}
        assert lake.path(record).read_text() == "why"
        assert lake.path(first).exists() and ITEM.key in lake.manifests("flights")
        commit(lake, manifest([first]), {first: staged(run)}, run)
    assert lake.held("flights") == {}
    assert sorted(files_of(lake.root)) == [f"{BASE}.json", first]


def test_a_hold_without_a_record_removes_the_record_of_the_one_before(lake):
    record = "quarantine/flights/day=x/a-held.parquet"
    with lake.run() as run:
        hold(lake, held(record), staged(run), run)
        hold(lake, held(None), None, run)
        assert sorted(files_of(lake.root, "quarantine", "_manifest")) == [f"{BASE}.held.json"]
        hold(lake, held(record), staged(run), run)
        hold(lake, held(record), staged(run, "newer"), run)
        assert lake.path(record).read_text() == "newer"
        lake.release(held(record))
    assert files_of(lake.root) == {}


# --- what a crash leaves -------------------------------------------------------------------------------------------

WORKER = """
import sys, time
from pathlib import Path
from opensky_assets.lake import Lake
lake = Lake.at(Path(sys.argv[1]))
with lake.run(["flights"]) as run:
    file = run.folder("work") / "half"
    file.write_text("x")
    lake.publish({"raw/flights/day=2019-01-01/unnamed.parquet": file})
    (run.folder("work") / "other").write_text("x")
    print("ready", flush=True)
    time.sleep(600)
"""


@contextmanager
def other_run(lake):
    """A run in a process of its own, in the middle of its work."""
    process = subprocess.Popen([sys.executable, "-c", WORKER, str(lake.root)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_live_run_keeps_its_staging_and_files_a_killed_one_is_cleared_up(lake):
    orphan = lake.path("raw/flights/day=2019-01-01/unnamed.parquet")
    with other_run(lake) as process:
        with lake.run(["flights"]):
            assert orphan.exists(), "it may be about to be named"
            assert len(list(lake.path("_staging").glob("*/work-*/other"))) == 1
        assert len(list(lake.path("_staging").glob("*/work-*/other"))) == 1
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert orphan.exists() and len(list(lake.path("_staging").iterdir())) == 2
        with lake.run(["flights"]) as run:
            assert [p for p in lake.path("_staging").iterdir() if p.is_dir()] == [run.path]
            assert not orphan.exists()
        assert not lake.path("_staging").exists()


def test_only_tables_asked_for_are_swept_and_only_what_no_manifest_names(lake):
    named, kept = raw("2019-01-01", "named"), "quarantine/flights/day=x/a-held.parquet"
    with lake.run() as run:
        commit(lake, manifest([named]), {named: staged(run)}, run)
        hold(lake, held(kept), staged(run), run)
        lake.publish({p: staged(run) for p in (raw("2019-01-01"), "quarantine/flights/day=x/b.parquet")})
        lake.publish({"raw/state_vectors/day=2019-01-01/b.parquet": staged(run)})
    for path in lake.root.rglob("*.parquet"):
        os.utime(path, (1, 1))
    with lake.run(["flights"]):
        pass
    assert {path for path in files_of(lake.root) if path.endswith(".parquet")} == {
        named, kept, "raw/state_vectors/day=2019-01-01/b.parquet",
    }  # fmt: skip


def test_staging_goes_when_a_run_ends_however_it_ends(lake):
    with pytest.raises(ZeroDivisionError), lake.run() as run:
        staged(run)
        raise ZeroDivisionError
    assert not lake.path("_staging").exists()


# --- whose lake it is ----------------------------------------------------------------------------------------------


def test_a_lake_belongs_to_its_first_source(lake):
    assert lake.kind is None
    lake.claim("s3://one", "real")
    lake.claim("s3://one", "real")
    assert lake.kind == "real"
    for uri, kind in (("s3://two", "real"), ("s3://one", "simulated"), ("file:///x", "simulated")):
        with pytest.raises(LakeError) as raised:
            lake.claim(uri, kind)
        message = str(raised.value)
        assert "real source s3://one" in message and f"{kind} source {uri}" in message
        assert "OPENSKY_LAKE" in message and "\n" not in message
    assert list(files_of(lake.root)) == ["_manifest/source.json"]


# --- where it cannot be written ------------------------------------------------------------------------------------

WRITER = """
import os, resource, sys
from datetime import date
from pathlib import Path
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import Lake, LakeError
from opensky_assets.schemas import FLIGHTS
from opensky_assets.settings import Settings
from opensky_assets.storage.objects import LocalStore
import pyarrow.parquet, polars, opensky_assets.ingest.runner, encodings.idna
lake, bucket, how = Lake.at(Path(sys.argv[1])), LocalStore(Path(sys.argv[2])), sys.argv[3]
if how == "small files":
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
if how == "nobody" and os.getuid() == 0:
    os.setuid(65534)
try:
    settings = Settings(_env_file=None)
    done = sync_days(FLIGHTS, ["2019-01-01"], bucket, lake, settings, date(2023, 1, 1), lambda text: None)
    print("done", done.failed)
except LakeError as error:
    print("LakeError:", error)
"""


@pytest.fixture
def bucket(tmp_path):

    lines = sound_file(random.Random(1), "flights", 3_000, date(2019, 1, 1), date(2019, 1, 31))
    put(tmp_path / "bucket", "flights/flightlist_20190101_20190131.csv.gz", gz(b"\n".join(lines)))
    let_others_in(tmp_path)
    return tmp_path / "bucket"


def write(lake, bucket, how):
    found = subprocess.run(
        [sys.executable, "-c", WRITER, str(lake.root), str(bucket), how], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


def test_a_lake_without_the_right_to_write_says_so(lake, bucket):
    lake.root.mkdir()
    lake.root.chmod(0o555)
    said = write(lake, bucket, "nobody")
    assert said.startswith(f"LakeError: the lake {lake.root} cannot be written (Permission denied")
    assert "OPENSKY_LAKE" in said and "\n" not in said


def test_a_file_that_cannot_grow_stops_the_run_before_anything_is_published(lake, bucket):
    said = write(lake, bucket, "small files")
    assert said.startswith(f"LakeError: the lake {lake.root} cannot be written (")
    assert "OPENSKY_LAKE" in said and "\n" not in said and "None" not in said
    assert not lake.path("raw").exists() and lake.manifests("flights") == {}
    assert not lake.path("_staging").exists()
    assert write(lake, bucket, "") == "done {}"


@pytest.fixture
def tiny_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        done = False
    if not done:
        pytest.skip("a small disk cannot be mounted by this user")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_says_so_and_touches_nothing(tiny_disk, bucket):
    lake = LocalLake.at(tiny_disk / "lake")
    lake.claim(bucket.resolve().as_uri(), "real")
    before = files_of(lake.root)
    free = os.statvfs(tiny_disk).f_bavail * os.statvfs(tiny_disk).f_frsize
    (tiny_disk / "ballast").write_bytes(b"x" * (free - 24_576))
    said = write(lake, bucket, "")
    assert said.startswith("LakeError: ") and "OPENSKY_LAKE" in said and "\n" not in said
    assert "free some" in said
    assert files_of(lake.root) == before
    (tiny_disk / "ballast").unlink()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_disk_that_fills_up_while_writing_says_so(tmp_path):
    with pytest.raises(LakeError, match=r"no space left on the disk of the lake .*OPENSKY_LAKE"), _writing(tmp_path):
        Path("/dev/full").write_text("x")


# --- records as JSON -----------------------------------------------------------------------------------------------

words = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
counts = st.integers(0, 10**12)
items = st.builds(SourceObject, words, counts, words)
outputs = st.builds(OutputFile, words, counts, counts)
manifests = st.builds(
    Manifest,
    table=words,
    source=items,
    source_uri=words,
    contract_version=words,
    code_version=words,
    read=counts,
    days=st.dictionaries(words, st.builds(Counts, counts, counts, counts), max_size=3),
    reasons=st.dictionaries(words, st.dictionaries(words, counts, max_size=3), max_size=3),
    files=st.lists(outputs, max_size=3).map(tuple),
    quarantine_files=st.lists(outputs, max_size=3).map(tuple),
    notes=st.dictionaries(words, st.lists(words, max_size=2) | st.none() | counts, max_size=3),
)
helds = st.builds(Held, words, items, words, words, st.lists(words, max_size=3).map(tuple), outputs | st.none())


@given(manifests)
def test_a_manifest_is_the_same_after_json(made):
    assert Manifest.from_json(made.to_json()) == made


@given(helds)
def test_a_held_is_the_same_after_json(made):
    assert Held.from_json(made.to_json()) == made


@given(st.lists(st.builds(Counts, counts, counts, counts), max_size=5))
def test_counts_add_up(parts):
    total = sum(parts, Counts())
    assert total.read == sum(part.read for part in parts) == total.written + total.quarantined + total.superseded


def test_a_file_of_a_lake_is_where_it_says(lake):
    assert lake.path("raw/flights") == Path(lake.root, "raw", "flights")
    assert lake.day_files("raw/flights", ["2019-01-01"]) == {}
    assert lake.days("raw/flights") == []


@pytest.mark.skipif(sys.platform != "linux", reason="the files behind descriptors are told by Linux")
def test_what_is_published_is_on_the_disk_before_its_manifest(lake, monkeypatch):
    """File, folder, manifest, its folder: a machine that stops at any moment leaves no manifest of files that are not
    there."""
    calls = []
    fsync, rename = os.fsync, os.replace

    def synced(descriptor):
        calls.append(("fsync", os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def renamed(source, target):
        calls.append(("rename", str(source), str(target)))
        rename(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    with lake.run() as run:
        file = staged(run)
        commit(lake, manifest([raw("2019-01-01")]), {raw("2019-01-01"): file}, run)
    target, record = lake.path(raw("2019-01-01")), lake.path(f"{BASE}.json")
    moved = [call for call in calls if call[0] == "rename" and call[2] == str(record)]
    assert [call for call in calls if call[0] != "rename" or call[2] == str(target)][:3] == [
        ("fsync", str(file)),
        ("rename", str(file), str(target)),
        ("fsync", str(target.parent)),
    ]
    assert calls[3:] == [("fsync", moved[0][1]), *moved, ("fsync", str(record.parent))]
