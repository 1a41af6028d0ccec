"""Source and lake in a real S3 server: the same tables as in folders, whatever is cut on the way."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from http.client import HTTPConnection
from pathlib import Path

import duckdb
import polars as pl
import pytest

from opensky_assets.checks.raw import broken_laws
from opensky_assets.ingest.plan import make_plan
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import Lake, LakeError, open_lake
from opensky_assets.lake.connect import connect
from opensky_assets.lake.lake import lake_place
from opensky_assets.schemas import FLIGHTS, STATE_VECTORS
from opensky_assets.schemas.tables import tables
from opensky_assets.settings import Settings
from opensky_assets.sources.simulate import simulate
from opensky_assets.storage.errors import SourceError
from opensky_assets.storage.objects import open_source
from opensky_assets.storage.s3 import S3Place
from opensky_assets.storage.s3_files import S3Files
from opensky_assets_tests.commands import SHARED_DATA, Place, needs_shared_data
from opensky_assets_tests.lakes import LocalLake
from opensky_assets_tests.services.conftest import SECRET_KEY, S3Server
from opensky_assets_tests.services.cutting_proxy import CuttingProxy
from opensky_assets_tests.services.places import AnonymousSource, plain, settings_of

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

TODAY = date(2022, 7, 1)
DAYS = ["2022-06-25", "2022-06-26"]


@pytest.fixture(autouse=True)
def credentials(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bucket = tmp_path_factory.mktemp("simulated") / "bucket"
    simulate(bucket, start=date(2022, 6, 25), days=2, aircraft=60, seed=3, states_hours=3)
    return bucket


def ingest(settings: Settings) -> Lake:
    lake = open_lake(settings)
    for contract in (FLIGHTS, STATE_VECTORS):
        sync_days(contract, DAYS, open_source(settings), lake, settings, TODAY, lambda text: None)
    return lake


def contents(lake: Lake) -> dict[str, bytes]:
    """The files that the manifests name, by their names without what a bucket adds."""
    return {plain(path): lake.files.read(path) for table in ("flights", "state_vectors") for path in lake.named(table)}


# --- the whole chain -----------------------------------------------------------------------------------------------


def tables_of(lake: Lake) -> Iterator[tuple[str, list[tuple[object, ...]]]]:
    with connect(lake) as connection:
        there = {name for (name,) in connection.execute("SELECT view_name FROM duckdb_views()").fetchall()}
        for table in tables():
            if table.name in there:
                yield table.name, connection.execute(f"FROM {table.name} ORDER BY ALL").fetchall()


@needs_shared_data
@pytest.mark.parametrize(
    ("first", "last", "objects"),
    [
        pytest.param("2020-01-20", "2020-01-26", ["flightlist_20200101_20200131"], id="a-week"),
        pytest.param(
            "2019-01-01", "2020-04-30", ["flightlist"], marks=[pytest.mark.soak, pytest.mark.timeout(0)], id="all"
        ),
    ],
)
def test_the_real_flights_in_a_bucket_are_those_in_a_folder(
    s3_server: S3Server, tmp_path: Path, first: str, last: str, objects: list[str]
) -> None:
    """The chain by the command line: a source for anybody, a lake with a key, everything up to the reports."""
    source = tmp_path / "source"
    shutil.copytree(SHARED_DATA / "bucket" / "metadata", source / "metadata", copy_function=shutil.copyfile)
    (source / "flights").mkdir()
    for path in (SHARED_DATA / "bucket" / "flights").iterdir():
        if any(name in path.name for name in objects):
            shutil.copyfile(path, source / "flights" / path.name)
    for name in ("local", "s3"):
        (tmp_path / name).mkdir()
    local = Place(source, tmp_path / "local")
    uri = s3_server.bucket(f"flights-of-{first}", source, acl="public-read")
    lake_uri = s3_server.bucket(f"lake-of-{first}")
    bucket = AnonymousSource(source, tmp_path / "s3", s3_server, lake_uri, uri)
    for place in (local, bucket):
        done = place.run("materialize", "--from", first, "--to", last)
        assert done.returncode == 0, done.stdout[-5000:]
    assert SECRET_KEY not in done.stdout
    lake = open_lake(settings_of(uri, bucket.lake_uri, s3_server.endpoint))
    one, other = dict(tables_of(LocalLake.at(local.lake))), dict(tables_of(lake))
    assert one.keys() == other.keys() and len(one) >= 11
    for name, rows in one.items():
        assert rows == other[name], name
    pages = [file.path for file in lake.files.walk("reports")]
    assert [p for p in pages if p.endswith(f"range={first}_{last}/report.html")]
    again = bucket.run("materialize", "--from", last, "--to", last)
    assert again.returncode == 0 and "read no object" in again.stdout
    asked = bucket.run("sql", f"SELECT count(*) AS n FROM enriched_flights WHERE day = '{last}'", "--format", "csv")
    assert int(asked.stdout.split()[-1]) == sum(row[-1] == date.fromisoformat(last) for row in one["enriched_flights"])
    for path in bucket.folder.rglob("*"):  # Dagster's history, logs, the warehouse
        assert not path.is_file() or SECRET_KEY.encode() not in path.read_bytes(), path


# --- the ingest ----------------------------------------------------------------------------------------------------


def test_files_in_a_bucket_are_byte_equal_to_those_in_a_folder(
    s3_server: S3Server, simulated: Path, tmp_path: Path
) -> None:
    uri = s3_server.bucket("simulated", simulated)
    local = ingest(settings_of(uri, str(tmp_path / "lake"), s3_server.endpoint, source_anonymous=False))
    remote = ingest(
        settings_of(uri, s3_server.bucket("lake") + "/below/here", s3_server.endpoint, source_anonymous=False)
    )
    assert contents(local) == contents(remote) != {}
    for table in ("flights", "state_vectors"):
        assert broken_laws(remote, list(remote.manifests(table).values())) == []
        one, other = (sorted(plain(m.to_json()) for m in x.manifests(table).values()) for x in (local, remote))
        assert one == other
    assert [file.path for file in remote.files.walk("_manifest") if file.path.endswith(".lock")] == []


def test_connections_cut_in_the_middle_lose_nothing(s3_server: S3Server, simulated: Path, tmp_path: Path) -> None:
    uri = s3_server.bucket("cut", simulated)
    calm = ingest(settings_of(uri, str(tmp_path / "calm"), s3_server.endpoint, source_anonymous=False))
    lake_uri = s3_server.bucket("lake-cut")
    with CuttingProxy(s3_server.endpoint, cuts=40, seed=1) as proxy:
        for _ in range(4):  # what the retries of one run do not get over, the next run does
            ingest(settings_of(uri, lake_uri, proxy.endpoint, source_anonymous=False))
        assert proxy.made > 10
    lake = open_lake(settings_of(uri, lake_uri, s3_server.endpoint))
    assert contents(lake) == contents(calm)
    for table in ("flights", "state_vectors"):
        assert broken_laws(lake, list(lake.manifests(table).values())) == []
        assert {held.reason for held in lake.held(table).values()} == {h.reason for h in calm.held(table).values()}


def test_a_file_put_in_pieces_is_there_when_the_last_one_is(s3_server: S3Server, tmp_path: Path) -> None:
    """A break between the pieces leaves nothing to be read, and the next run after a while takes the pieces away."""
    lake = open_lake(settings_of("-", s3_server.bucket("pieces"), s3_server.endpoint))
    large = tmp_path / "large"
    large.write_bytes(os.urandom(70 << 20))
    lake.files.put(large, "raw/flights/day=2020-01-01/large.parquet")
    assert lake.files.read("raw/flights/day=2020-01-01/large.parquet") == large.read_bytes()
    client = s3_server.client()
    begun = client.create_multipart_upload(Bucket="pieces", Key="raw/flights/day=2020-01-01/begun.parquet")
    client.upload_part(
        Bucket="pieces", Key="raw/flights/day=2020-01-01/begun.parquet", UploadId=begun["UploadId"], PartNumber=1,
        Body=b"x" * (5 << 20),
    )  # fmt: skip
    assert [file.path for file in lake.files.walk("raw")] == ["raw/flights/day=2020-01-01/large.parquet"]
    with lake.run():
        assert len(client.list_multipart_uploads(Bucket="pieces")["Uploads"]) == 1  # it may belong to a living run
    import opensky_assets.storage.s3_files as s3_files

    s3_files.UNFINISHED_S, kept = -60, s3_files.UNFINISHED_S
    try:
        assert [file.path for file in lake.files.unfinished()] == ["raw/flights/day=2020-01-01/begun.parquet"]
        with lake.run():
            assert "Uploads" not in client.list_multipart_uploads(Bucket="pieces")
    finally:
        s3_files.UNFINISHED_S = kept


def test_ten_thousand_objects_are_listed(s3_server: S3Server) -> None:
    s3_server.bucket("many", acl="public-read-write")
    host = s3_server.endpoint.removeprefix("http://")

    def fill(part: int) -> None:
        with closing(HTTPConnection(host)) as connection:  # not by boto3, which takes minutes to sign them all
            for n in range(part, 10_000, 4):
                connection.request("PUT", f"/many/flights/{n // 5:04d}/flightlist_{n:05d}.csv.gz", b"")
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fill, range(4)))
    settings = settings_of("s3://many", "data/lake", s3_server.endpoint)
    keys = [item.key for item in open_source(settings).list()]
    assert len(keys) == 10_000 == len(set(keys)) and keys == sorted(keys)

    files = S3Files(S3Place.of("s3://many", s3_server.endpoint, None, None, anonymous=True))
    for asked in (["0000"], ["0000", "0001", "0200", "1998", "2500"], ["2500"], [f"{n:04d}" for n in range(150, 800)]):
        found = [file.path for file in files.walk_folders("flights", reversed(asked))]
        assert found == [key for key in keys if key.split("/")[1] in asked]
    assert files.duckdb_filesystem().glob("many/flights/*/*_00*.gz") == [f"many/{key}" for key in keys if "_00" in key]


# --- who may what --------------------------------------------------------------------------------------------------


def test_a_wrong_key_gives_one_clear_line(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    s3_server.bucket("closed")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    from opensky_assets.storage import s3

    s3._client.cache_clear(), s3._session.cache_clear()
    settings = settings_of("s3://closed", "s3://closed/lake", s3_server.endpoint, source_anonymous=False)
    with pytest.raises(SourceError, match=r"cannot list s3://closed at http.*no permission \(Signature") as source:
        list(open_source(settings).list())
    with pytest.raises(LakeError, match=r"the lake s3://closed/lake at http.*no permission \(Signature") as lake:
        open_lake(settings).claim("x", "real")
    anonymous = settings_of("s3://closed", "s3://closed/lake", s3_server.endpoint)
    with pytest.raises(SourceError, match=r"no permission \(AccessDenied\).*OPENSKY_SOURCE_PROFILE"):
        list(open_source(anonymous).list())
    with pytest.raises(LakeError, match="there is no such bucket: check OPENSKY_LAKE"):
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        s3._client.cache_clear(), s3._session.cache_clear()
        open_lake(settings_of("-", "s3://nowhere", s3_server.endpoint)).claim("x", "real")
    for told in (str(source.value), str(lake.value)):
        assert "\n" not in told and "not-the-secret" not in told
    s3._client.cache_clear(), s3._session.cache_clear()


# --- several at once -----------------------------------------------------------------------------------------------


def test_a_lock_is_held_by_one_and_outlives_nobody(s3_server: S3Server) -> None:
    place = lake_place(settings_of("-", s3_server.bucket("locks"), s3_server.endpoint))
    assert isinstance(place, S3Place)
    lake = Lake(S3Files(place, lease_s=2))
    inside, most = [0], [0]

    def hold() -> None:
        for _ in range(5):
            with lake.files.lock("commit.lock"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.02)
                inside[0] -= 1

    holders = [threading.Thread(target=hold) for _ in range(4)]
    for holder in holders:
        holder.start()
    for holder in holders:
        holder.join()
    assert most == [1]
    assert lake.files.put_first("somebody who died", "_manifest/commit.lock")
    began = time.monotonic()
    with lake.files.lock("commit.lock"):
        assert time.monotonic() - began > 1
    assert not lake.exists("_manifest/commit.lock")


def test_a_lake_in_a_bucket_belongs_to_one_source(s3_server: S3Server) -> None:
    lake = open_lake(settings_of("-", s3_server.bucket("owned"), s3_server.endpoint))
    lake.claim("s3://one", "real")
    lake.claim("s3://one", "real")
    with pytest.raises(LakeError, match="holds rows of the real source s3://one, not of the real source s3://other"):
        lake.claim("s3://other", "real")
    assert json.loads(lake.files.read("_manifest/source.json"))["uri"] == "s3://one"


def test_prune_and_plan_over_a_bucket(s3_server: S3Server, simulated: Path) -> None:
    from opensky_assets.lake.prune import find, remove

    uri = s3_server.bucket("to-prune", simulated)
    settings = settings_of(uri, s3_server.bucket("lake-to-prune"), s3_server.endpoint, source_anonymous=False)
    lake = ingest(settings)
    key, gone = next(iter(lake.manifests("state_vectors").items()))
    s3_server.client().delete_object(Bucket="to-prune", Key=key)
    plan = make_plan(open_source(settings), lake, settings, TODAY)
    assert [m.source.key for m in plan.vanished] == [key]
    found = find(lake, ["flights", "state_vectors"], plan.vanished, [])
    assert {item.path for item in found.items} >= {file.path for file in gone.files}
    remove(lake, found)
    assert key not in lake.manifests("state_vectors") and not any(lake.exists(file.path) for file in gone.files)


def test_loaded_as_every_kind_of_frame(s3_server: S3Server, simulated: Path) -> None:
    import pandas as pd
    import pyarrow as pa

    from opensky_assets.io_managers.frames import convert
    from opensky_assets.lake.tables import NotMaterialized, ParquetTables

    uri = s3_server.bucket("to-load", simulated)
    settings = settings_of(uri, s3_server.bucket("lake-to-load"), s3_server.endpoint, source_anonymous=False)
    lake = ingest(settings)
    rows = sum(m.total.written for m in lake.manifests("flights").values() for day in DAYS if day in m.days)
    dataset = ParquetTables(lake).open_dataset(FLIGHTS, DAYS, lambda days: {})
    assert rows > 0
    counted = [
        convert(dataset, pa.Table, lake).num_rows,
        convert(dataset, pa.RecordBatchReader, lake).read_all().num_rows,
        convert(dataset, pl.LazyFrame, lake).collect().height,
        len(convert(dataset, pd.DataFrame, lake)),
        len(convert(dataset, duckdb.DuckDBPyRelation, lake).fetchall()),
    ]
    assert len(set(counted)) == 1
    with pytest.raises(NotMaterialized, match="2022-06-28"):
        ParquetTables(lake).open_dataset(FLIGHTS, ["2022-06-28"], lambda days: {})


def test_a_users_assets_store_and_load_tables(
    s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the client of dagster-aws, whose configuration is not this package's."""
    from opensky_assets.io_managers.s3 import S3LakeIOManager
    from opensky_assets.resources.opensky import OpenSkyResource
    from opensky_assets_tests.own_assets import OWN, fill, made, require_own_tables

    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OPENSKY_LAKE_ENDPOINT", s3_server.endpoint)
    (tmp_path / "bucket").mkdir()
    lake = s3_server.bucket("lake-of-users") + "/below"
    platform = made(tmp_path / "bucket", OpenSkyResource(source=str(tmp_path / "bucket"), lake=lake), OWN)
    assert isinstance((platform.definitions.resources or {})["io_manager"], S3LakeIOManager)
    fill(platform)
    require_own_tables(platform)


def test_logs_of_runs_are_kept_in_the_bucket(
    s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dagster as dg

    from opensky_assets.dagster_home import dagster_home, history

    @dg.asset
    def chatty() -> None:
        print("said by the asset")

    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")  # as it is set, but for this test only
    monkeypatch.setenv("OPENSKY_LAKE", s3_server.bucket("lake-of-logs"))
    monkeypatch.setenv("OPENSKY_LAKE_ENDPOINT", s3_server.endpoint)
    monkeypatch.delenv("DAGSTER_HOME")
    with history(dagster_home(tmp_path)) as instance:
        assert dg.materialize([chatty], instance=instance).success
    client = s3_server.client()
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket="lake-of-logs", Prefix="_logs/")["Contents"]]
    texts = [client.get_object(Bucket="lake-of-logs", Key=key)["Body"].read() for key in keys]
    assert any(b"said by the asset" in text for text in texts)


def test_a_lock_that_is_held_for_longer_than_its_lease_is_renewed(s3_server: S3Server) -> None:
    place = lake_place(settings_of("-", s3_server.bucket("renewed"), s3_server.endpoint))
    assert isinstance(place, S3Place)
    files = S3Files(place, lease_s=2)
    with files.lock("marts.lock"):
        other = threading.Thread(target=lambda: files.lock("marts.lock").__enter__(), daemon=True)
        other.start()
        other.join(6)
        assert other.is_alive()
        (lock,) = files.walk("_manifest")
        assert time.time() - lock.modified < 3
