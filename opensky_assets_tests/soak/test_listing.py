"""A bucket of a million objects, listed page by page."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest

from opensky_assets.settings import load_settings
from opensky_assets.storage.objects import open_source

pytestmark = pytest.mark.soak

OBJECTS, PAGE = 1_000_000, 1000


class Listing(BaseHTTPRequestHandler):
    """Answers ListObjectsV2 of one bucket: a server that holds so many objects would take an hour to fill."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        first = int(parse_qs(urlsplit(self.path).query).get("continuation-token", ["0"])[0])
        entries = "".join(
            f'<Contents><Key>states/2020-01-01/00/part_{n:07d}.csv.gz</Key><Size>{n}</Size><ETag>"{n:032x}"</ETag>'
            "<LastModified>2020-01-02T00:00:00.000Z</LastModified></Contents>"
            for n in range(first, min(first + PAGE, OBJECTS))
        )
        more = first + PAGE < OBJECTS
        token = f"<NextContinuationToken>{first + PAGE}</NextContinuationToken>" if more else ""
        body = (
            '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>many</Name><IsTruncated>{str(more).lower()}</IsTruncated>{token}{entries}</ListBucketResult>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Listing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_million_objects(endpoint: str) -> None:
    store = open_source(load_settings(source="s3://many", source_endpoint=endpoint))
    rss = psutil.Process().memory_info().rss
    began, count, bytes_, before, grown = time.monotonic(), 0, 0, "", 0
    for item in store.list():
        assert item.key > before
        before, count, bytes_ = item.key, count + 1, bytes_ + item.size
        if count % 100_000 == 0:
            grown = max(grown, psutil.Process().memory_info().rss - rss)
    assert (count, bytes_) == (OBJECTS, OBJECTS * (OBJECTS - 1) // 2)
    print(f"{count:,} objects listed in {time.monotonic() - began:.0f} s, memory grown by {grown / 1e6:.0f} MB at most")
    assert grown < 200e6  # a page at a time, and what the server of this test holds of one
