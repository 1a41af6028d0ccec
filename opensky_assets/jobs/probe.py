"""Look at OpenSky's public bucket: list it, and take one hour of state vectors all the way into a scratch lake."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from opensky_assets.console import say
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import Lake
from opensky_assets.schemas import STATE_VECTORS
from opensky_assets.settings import load_settings
from opensky_assets.sources.keys import STATE_HOUR
from opensky_assets.storage.errors import SourceError
from opensky_assets.storage.s3 import S3Place
from opensky_assets.storage.s3_objects import S3Store


def probe(endpoint: str, bucket: str, hour: str) -> int:
    """List `bucket`, then ingest the state vectors of `hour` (`YYYY-MM-DD-HH`). Raises `SourceError`."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}-\d{2}", hour):
        raise SourceError(f"--hour {hour!r}: write it as 2022-06-27-04")
    if not re.match(r"https?://[^/\s]", endpoint):
        raise SourceError(f"--endpoint {endpoint!r}: must begin with http:// or https://, and name a host")
    day = hour[:10]
    place = S3Place(bucket, endpoint=endpoint, anonymous=True)
    whole = S3Store(place)
    kinds: Counter[str] = Counter()
    found = None
    for item in whole.list():
        kinds[item.key.split("/", 1)[0]] += 1
        if STATE_HOUR.search(item.key) and f"states_{hour}." in item.key:
            found = item
        if sum(kinds.values()) % 10_000 == 0:
            say(f"listed {sum(kinds.values()):,} objects")
    say(f"{whole.uri} at {endpoint}: " + ", ".join(f"{name} {count:,}" for name, count in sorted(kinds.items())))
    if found is None:
        raise SourceError(
            f"the bucket has no CSV of hour {hour}: the public bucket has only Mondays, 2017-06-05 to 2022-06-27"
        )
    say(f"{found.key}: {found.size / 1e6:.1f} MB")
    with tempfile.TemporaryDirectory(prefix="opensky-probe-") as folder:
        settings = load_settings(source=whole.uri, lake=folder)
        hour_only = S3Store(place, only=found.key)
        done = sync_days(
            STATE_VECTORS, [day], hour_only, Lake.at(Path(folder)), settings, datetime.now(UTC).date(), say
        )
        say(done.summary())
        for message in done.messages:
            say(message)
    return 0 if done.good_days else 1
