"""Lakes and sources in buckets of a server, and Dagster's command line over any lake."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass

from opensky_assets.settings import Settings, load_settings
from opensky_assets_tests.commands import Place
from opensky_assets_tests.services.conftest import S3Server


def settings_of(source: str, lake: str, endpoint: str, **others: object) -> Settings:
    return load_settings(source=source, lake=lake, source_endpoint=endpoint, lake_endpoint=endpoint, **others)


def plain(text: str) -> str:
    """Names of files without what a bucket adds to them."""
    return re.sub(r"_[0-9a-f]{12}(?=(-held)?\.parquet)", "", text)


@dataclass(frozen=True)
class BucketPlace(Place):
    """A lake in a bucket."""

    server: S3Server
    lake_uri: str

    def environment(self) -> dict[str, str]:
        return (
            super().environment()
            | self.server.environment
            | {"OPENSKY_LAKE": self.lake_uri, "OPENSKY_LAKE_ENDPOINT": self.server.endpoint}
            | {"OPENSKY_SOURCE_ENDPOINT": self.server.endpoint}
        )


@dataclass(frozen=True)
class AnonymousSource(BucketPlace):
    """A source that anybody may read, named by `uri`, beside a lake that needs a key."""

    uri: str

    def environment(self) -> dict[str, str]:
        return super().environment() | {"OPENSKY_SOURCE": self.uri, "OPENSKY_SOURCE_ANONYMOUS": "true"}


def start(place: Place, assets: tuple[str, ...], days: str | None = None, **environment: str) -> subprocess.Popen[str]:
    """`dagster asset materialize` of these assets, for a range of days (`first...last`) if they have any."""
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "opensky_assets.definitions"]
    command += ["--select", ",".join(assets), *(["--partition-range", days] if days else [])]
    place.folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        command,
        cwd=place.folder,
        env=place.environment() | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate()
    assert process.returncode == 0, output[-6000:]
    return output
