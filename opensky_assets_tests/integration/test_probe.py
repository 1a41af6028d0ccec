"""`opensky-assets probe` over the S3 protocol, against a local server that holds the public bucket's keys."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import boto3
import polars as pl
import pytest
from moto.server import ThreadedMotoServer

from opensky_assets.sources.simulate import simulate
from opensky_assets_tests.commands import Place

BUCKET = "data-samples"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    made = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    made.start()
    host, port = made.get_host_and_port()
    yield f"http://{host}:{port}"
    made.stop()


@pytest.fixture(scope="module")
def place(server: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One simulated hour, in a folder and in the server's bucket."""
    folder = tmp_path_factory.mktemp("probe")
    source = folder / "bucket"
    simulate(source, start=date(2022, 6, 27), days=1, aircraft=60, seed=5, states_hours=1)
    client = boto3.client(
        "s3",
        endpoint_url=server,
        region_name="us-east-1",
        aws_access_key_id="writer",
        aws_secret_access_key="local",  # the probe itself has no key: it reads as anybody
    )
    client.create_bucket(Bucket=BUCKET, ACL="public-read")
    for path in source.rglob("*"):
        if path.is_file():
            client.upload_file(str(path), BUCKET, path.relative_to(source).as_posix(), {"ACL": "public-read"})
    return Place(source, folder)


def test_one_hour_comes_whole(place: Place, server: str) -> None:
    done = place.run("probe", "--endpoint", server, "--bucket", BUCKET, "--hour", "2022-06-27-00")
    assert done.returncode == 0, done.stdout
    counts = pl.read_parquet(Path(f"{place.source}.truth") / "counts.parquet")
    records, quarantined = counts.filter(pl.col("object").str.contains("states_2022-06-27-00"))[
        ["records", "quarantined"]
    ].row(0)
    assert f"read 1 object with {records:,} records" in done.stdout
    assert f"written {records - quarantined:,}, quarantined {quarantined:,}" in done.stdout
    assert "states 1" in done.stdout  # the listing
    assert not place.lake.exists()


def test_an_hour_that_is_not_there(place: Place, server: str) -> None:
    done = place.run("probe", "--endpoint", server, "--bucket", BUCKET, "--hour", "2022-06-26-00")
    assert done.returncode == 1
    assert "no CSV of hour 2022-06-26-00" in done.stdout.strip().splitlines()[-1]


def test_nobody_answers(place: Place) -> None:
    done = place.run("probe", "--endpoint", "http://127.0.0.1:9", "--bucket", BUCKET)
    assert done.returncode == 1
    assert "cannot list s3://data-samples at http://127.0.0.1:9" in done.stdout.strip().splitlines()[-1]
