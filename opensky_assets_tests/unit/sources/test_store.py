"""A folder and an S3 bucket listed and read in one way."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensky_assets.settings import Settings
from opensky_assets.sources.keys import SIMULATED_MARKER, source_kind
from opensky_assets.storage.errors import ObjectGone, SourceError
from opensky_assets.storage.objects import LocalStore, SourceObject, open_source
from opensky_assets.storage.s3 import S3Place
from opensky_assets.storage.s3_objects import S3Store
from opensky_assets.storage.telemetry import record, recording
from opensky_assets_tests.buckets import let_others_in, put


@pytest.fixture
def bucket(tmp_path):
    for key in ("flights/b.csv", "flights/a.csv", "states/.2019-01-07/00/x.tar", "z.csv"):
        put(tmp_path / "bucket", key, key.encode())
    return tmp_path / "bucket"


def test_a_folder_lists_its_files_by_key(bucket):
    store = LocalStore(bucket)
    listed = list(store.list())
    assert [item.key for item in listed] == ["flights/a.csv", "flights/b.csv", "states/.2019-01-07/00/x.tar", "z.csv"]
    assert [item.key for item in store.list("flights/")] == ["flights/a.csv", "flights/b.csv"]
    for item in listed:
        with store.open(item) as stream:
            assert stream.read() == item.key.encode()
        assert item.size == len(item.key)
        store.verify(item)


def test_each_opening_of_a_file_is_on_record_when_it_ends(bucket):
    store = LocalStore(bucket)
    (item,) = store.list("flights/a.csv")
    store.open(item).close()  # nobody listens
    with recording() as all_of_them:
        with recording() as first, store.open(item) as stream:
            assert stream.read(3) == b"fli" and not first.latest
            stream.read()
            stream.close()
            store.open(item).close()
        assert len(first.latest) == len(all_of_them.latest) == 2
        record(first)
    read, closed = first.latest
    assert (read.key, read.status, read.received_bytes, read.retry) == (item.key, None, item.size, 0)
    assert 0 < read.reading_s <= read.duration_s and 0 < read.first_byte_s <= read.duration_s
    assert (closed.received_bytes, closed.first_byte_s) == (0, None)
    assert [*all_of_them.latest] == [read, closed, read, closed]


def test_an_object_that_changed_is_another_version(bucket):
    store = LocalStore(bucket)
    (item,) = store.list("z.csv")
    put(bucket, "z.csv", b"other")
    assert next(store.list("z.csv")) != item
    with pytest.raises(ObjectGone, match=r"z\.csv: changed"):
        store.verify(item)
    (bucket / "z.csv").unlink()
    with pytest.raises(ObjectGone, match=r"z\.csv"):
        store.verify(item)
    with pytest.raises(ObjectGone, match=r"z\.csv: .*gone"):
        store.open(item)


def test_links_to_nowhere_are_no_objects(bucket):
    (bucket / "flights" / "nowhere.csv").symlink_to(bucket / "missing")
    assert len(list(LocalStore(bucket).list())) == 4


def test_a_linked_folder_is_followed_and_each_key_is_an_object_of_its_own(bucket, tmp_path):
    put(tmp_path / "disk", "flights/c.csv", b"linked")
    (bucket / "more").symlink_to(tmp_path / "disk")
    (bucket / "flights" / "again.csv").symlink_to(bucket / "z.csv")
    (bucket / "twice").symlink_to(bucket / "flights")
    store = LocalStore(bucket)
    items = {item.key: item for item in store.list()}
    assert {"more/flights/c.csv", "flights/again.csv", "twice/again.csv", "twice/a.csv", "z.csv"} <= set(items)
    assert [item.key for item in store.list("more/fl")] == ["more/flights/c.csv"]
    for key, content in (("more/flights/c.csv", b"linked"), ("twice/again.csv", b"z.csv")):
        store.verify(items[key])
        with store.open(items[key]) as stream:
            assert stream.read() == content
    assert store.left_out() == {}


def test_a_link_to_a_folder_above_is_not_followed_for_ever(bucket):
    (bucket / "flights" / "all").symlink_to(bucket)
    (bucket / "flights" / "self").symlink_to(bucket / "flights")
    store = LocalStore(bucket)
    assert [item.key for item in store.list()] == ["flights/a.csv", "flights/b.csv", "states/.2019-01-07/00/x.tar",
                                                   "z.csv"]  # fmt: skip
    assert set(store.left_out()) == {"flights/all", "flights/self"}
    assert "a folder above it" in store.left_out()["flights/all"]


@pytest.mark.skipif(os.name != "posix", reason="FIFOs, sockets and devices need POSIX")
def test_what_is_no_regular_file_is_named_and_never_opened(bucket):
    os.mkfifo(bucket / "flights" / "pipe.csv")
    (bucket / "flights" / "null.csv").symlink_to("/dev/null")
    (bucket / "flights" / "nowhere.csv").symlink_to(bucket / "missing")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(bucket / "flights" / "socket.csv"))
        store = LocalStore(bucket)
        assert len(list(store.list())) == 4
        assert store.left_out() == {
            "flights/pipe.csv": "a FIFO, not a regular file",
            "flights/null.csv": "a device, not a regular file",
            "flights/socket.csv": "a socket, not a regular file",
            "flights/nowhere.csv": "a broken symbolic link",
        }


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8 need Linux")
def test_a_name_that_is_not_utf_8_is_told(bucket):
    put(bucket, "flights/zürich.csv", b"fine")
    assert "flights/zürich.csv" in [item.key for item in LocalStore(bucket).list()]
    Path(os.fsdecode(os.fsencode(bucket) + b"/flights/z\xfcrich.csv")).write_bytes(b"x")
    with pytest.raises(SourceError, match=r"not UTF-8.*rich\.csv.*rename") as raised:
        list(LocalStore(bucket).list())
    str(raised.value).encode()


def test_a_missing_folder_says_what_to_do(tmp_path):
    for path in (tmp_path / "missing", put(tmp_path, "file", b"")):
        with pytest.raises(SourceError, match=r"is not a folder.*OPENSKY_SOURCE"):
            list(LocalStore(path).list())


AS_NOBODY = """
import os, sys
from pathlib import Path
from opensky_assets.storage.objects import LocalStore, SourceError, SourceObject
if os.getuid() == 0:
    os.setuid(65534)
store = LocalStore(Path(sys.argv[1]))
try:
    print([item.key for item in store.list()])
    store.open(SourceObject("z.csv", 5, "5-1"))
except SourceError as error:
    print(f"{type(error).__name__}: {error}")
"""


def test_what_may_not_be_read_is_told_and_not_left_out(bucket):
    let_others_in(bucket)
    command = [sys.executable, "-c", AS_NOBODY, str(bucket)]
    (bucket / "z.csv").chmod(0)
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "flights/a.csv" in said and "SourceError: z.csv: cannot be opened (Permission denied)" in said
    (bucket / "flights").chmod(0)
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith("SourceError: cannot list ") and "flights" in said
    (bucket / "flights").chmod(0o755)


def test_the_kind_of_a_source_is_told_by_its_marker(bucket):
    assert source_kind(LocalStore(bucket)) == "real"
    put(bucket, "data/" + SIMULATED_MARKER, b"")
    put(bucket, SIMULATED_MARKER + ".bak", b"")
    assert source_kind(LocalStore(bucket)) == "real"
    put(bucket, SIMULATED_MARKER, b"")
    assert source_kind(LocalStore(bucket)) == "simulated"


def test_the_settings_say_which_source():
    local = open_source(Settings(_env_file=None, source="some/folder"))
    assert local == LocalStore(Path("some/folder"))
    s3 = open_source(Settings(_env_file=None, source="s3://bucket/a/b/", source_endpoint="http://h"))
    assert s3 == S3Store(S3Place("bucket", "a/b", "http://h", anonymous=True))
    assert s3.uri == "s3://bucket/a/b"
    with pytest.raises(ValueError, match=r"must be a folder or s3://bucket\[/prefix\]"):
        Settings(_env_file=None, source="gs://x")


keys = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40)


@given(keys, keys)
def test_file_names_out_of_keys_are_plain_and_apart(one, other):
    stem = SourceObject(one, 1, "e").stem
    assert re.fullmatch(r"[A-Za-z0-9_.-]*-[0-9a-f]{16}", stem) and len(stem) < 100
    if one != other:
        assert stem != SourceObject(other, 1, "e").stem


# --- S3, against a server in this process --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3():
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    client.create_bucket(Bucket="samples", ACL="public-read-write")
    for n in range(3):
        client.put_object(Bucket="samples", Key=f"root/flights/{n}.csv", Body=b"%d" % n * (n + 1), ACL="public-read")
    client.put_object(Bucket="samples", Key="elsewhere.csv", Body=b"x", ACL="public-read")
    yield endpoint, client
    server.stop()


def store_of(bucket, prefix, endpoint, only=None):
    return S3Store(S3Place(bucket, prefix, endpoint, anonymous=True), only)


def test_a_bucket_is_listed_and_read_without_credentials(s3):
    store = store_of("samples", "root", s3[0])
    items = list(store.list())
    assert [(item.key, item.size) for item in items] == [
        ("flights/0.csv", 1), ("flights/1.csv", 2), ("flights/2.csv", 3),
    ]  # fmt: skip
    with store.open(items[2]) as stream:
        assert stream.read() == b"222"
    assert [item.key for item in store_of("samples", "root", s3[0], only="flights/1.csv").list()] == ["flights/1.csv"]
    assert len(list(store_of("samples", "", s3[0]).list())) == 4


def test_an_object_of_a_bucket_that_changed_is_gone(s3):
    endpoint, client = s3
    client.put_object(Bucket="samples", Key="changing/a.csv", Body=b"old", ACL="public-read")
    store = store_of("samples", "changing", endpoint)
    (item,) = store.list()
    client.put_object(Bucket="samples", Key="changing/a.csv", Body=b"new", ACL="public-read")
    with pytest.raises(ObjectGone, match=r"a\.csv: changed or gone since s3://samples/changing at"):
        store.open(item)
    client.delete_object(Bucket="samples", Key="changing/a.csv")
    with pytest.raises(ObjectGone, match=r"a\.csv"):
        store.open(item)


def test_a_bucket_that_is_not_there_is_told_with_its_settings(s3):
    with pytest.raises(SourceError, match=r"cannot list s3://missing at http.*OPENSKY_SOURCE_ENDPOINT"):
        list(store_of("missing", "", s3[0]).list())
