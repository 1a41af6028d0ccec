"""An S3 server of the objects of a folder, which can be throttled on purpose, slow, or neither; it logs what it did."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from opensky_assets.storage.s3 import S3Place
from opensky_assets.storage.s3_objects import S3Store

PIECE = 16_384


class TokenBucket:
    """`burst` tokens to begin with. From when they are used up, `rate` more a second, up to `kept` (by default a
    second's): where it begins to throttle does not depend on how fast the client was. Safe to use from several
    threads."""

    def __init__(self, rate: float, burst: float, kept: float | None = None) -> None:
        self.rate, self._tokens = rate, burst
        self._kept = rate if kept is None else kept
        self._empty_at: float | None = None
        self._lock = threading.Lock()

    def _fill(self) -> None:
        if self._empty_at is not None:
            now = time.monotonic()
            self._tokens = min(self._tokens + (now - self._empty_at) * self.rate, self._kept)
            self._empty_at = now

    def _spend(self, count: float) -> None:
        self._tokens -= count
        if self._tokens < 1 and self._empty_at is None:
            self._empty_at = time.monotonic()

    def take(self) -> bool:
        """One token, if there is one."""
        with self._lock:
            self._fill()
            if self._tokens < 1:
                return False
            self._spend(1)
            return True

    def delay_s(self, count: float) -> float:
        """Take `count` tokens at any rate; how long until they are there."""
        with self._lock:
            self._fill()
            self._spend(count)
            return max(-self._tokens / self.rate, 0)


@dataclass
class Behaviour:
    """What a server does beside serving; by itself nothing.

    `requests`: beyond them 503 SlowDown, with Retry-After where `retry_after` names seconds. `bytes`: beyond them the
    body comes at their rate. `latency_s`: before each answer, so long. `slow`: bytes a second of single objects.
    """

    requests: TokenBucket | None = None
    retry_after: int | None = None
    bytes: TokenBucket | None = None
    latency_s: Callable[[], float] | None = None
    slow: dict[str, float] = field(default_factory=dict)


@dataclass
class Served:
    """A request for an object. `throttled`: refused, or some of the body came late on purpose."""

    key: str
    at: float
    status: int
    bytes: int = 0
    throttled: bool = False


class ObjectServer(ThreadingHTTPServer):
    """Speaks ListObjectsV2, GetObject with Range and If-Match, and HeadObject of one bucket, named `bucket`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder: Path, behaviour: Behaviour | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behaviour = behaviour or Behaviour()
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        self.objects = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        self.etags = {key: hashlib.md5(body).hexdigest() for key, body in self.objects.items()}
        self.served: list[Served] = []

    @property
    def store(self) -> S3Store:
        return S3Store(S3Place("bucket", endpoint=f"http://127.0.0.1:{self.server_address[1]}", anonymous=True))


class _Handler(BaseHTTPRequestHandler):
    server: ObjectServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        key = url.path.removeprefix("/bucket").lstrip("/")
        if not key:
            self._list(parse_qs(url.query).get("prefix", [""])[0])
        elif self._is_let_in(key):
            self._object(key)

    def do_HEAD(self) -> None:
        key = self.path.removeprefix("/bucket/")
        if self._is_let_in(key):
            self._head(200, len(self.server.objects[key]), {"ETag": f'"{self.server.etags[key]}"'})

    def _is_let_in(self, key: str) -> bool:
        behaviour = self.server.behaviour
        if behaviour.latency_s:
            time.sleep(behaviour.latency_s())
        if not behaviour.requests or behaviour.requests.take():
            return True
        self.server.served.append(Served(key, time.time(), 503, throttled=True))
        told = {} if behaviour.retry_after is None else {"Retry-After": str(behaviour.retry_after)}
        answer = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
        self._head(503, len(answer), told)
        if self.command == "GET":
            self.wfile.write(answer)
        return False

    def _object(self, key: str) -> None:
        whole, etag = self.server.objects[key], self.server.etags[key]
        if self.headers["If-Match"] not in (None, f'"{etag}"'):
            self._head(412, 0, {})
            return
        ranged = self.headers["Range"]
        body = whole[int(ranged.removeprefix("bytes=").rstrip("-")) if ranged else 0 :]
        served = Served(key, time.time(), 206 if ranged else 200)
        self.server.served.append(served)
        self._head(served.status, len(body), {"ETag": f'"{etag}"'})
        cap, slow = self.server.behaviour.bytes, self.server.behaviour.slow.get(key)
        for at in range(0, len(body), PIECE):
            piece = body[at : at + PIECE]
            if cap and (delay := cap.delay_s(len(piece))):
                served.throttled = True
                time.sleep(delay)
            if slow:
                time.sleep(len(piece) / slow)
            self.wfile.write(piece)
            self.wfile.flush()
            served.bytes += len(piece)

    def _list(self, prefix: str) -> None:
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2022-07-01T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;{self.server.etags[key]}&quot;</ETag><Size>{len(body)}</Size></Contents>"
            for key, body in self.server.objects.items()
            if key.startswith(prefix)
        )
        answer = (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>bucket</Name>'
            f"<IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
        ).encode()
        self._head(200, len(answer), {"Content-Type": "application/xml"})
        self.wfile.write(answer)

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length), "Last-Modified": formatdate(usegmt=True)}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def varying(low_s: float, high_s: float, seed: int) -> Callable[[], float]:
    """Delays between two, drawn anew for each request."""
    rng = random.Random(seed)
    return lambda: rng.uniform(low_s, high_s)
