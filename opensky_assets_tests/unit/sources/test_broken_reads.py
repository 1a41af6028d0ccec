"""Reads from a server that says "later", breaks off or changes the object: taken up again, or given up, with why."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from opensky_assets.storage import s3_objects
from opensky_assets.storage.errors import ObjectGone
from opensky_assets.storage.objects import SourceObject
from opensky_assets.storage.s3 import S3Place
from opensky_assets.storage.s3_objects import S3Store
from opensky_assets.storage.telemetry import recording
from opensky_assets_tests.serving import serving

BODY = b"".join(b"%06d\n" % n for n in range(30_000))
ETAG = hashlib.md5(BODY).hexdigest()
ITEM = SourceObject("flights/a.csv", len(BODY), ETAG)


class Server(ThreadingHTTPServer):
    """Speaks S3's GetObject and HeadObject. `plan` has, for one request after another, what goes wrong."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan: list[str] = []
        self.asked: list[tuple[float, str | None]] = []

    @property
    def store(self) -> S3Store:
        return S3Store(S3Place("bucket", endpoint=f"http://127.0.0.1:{self.server_address[1]}", anonymous=True))


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        ranged = self.headers["Range"]
        self.server.asked.append((time.monotonic(), ranged))
        what = self.server.plan.pop(0) if self.server.plan else "whole"
        if what.startswith(("503", "429")):
            self.refuse(int(what[:3]), "SlowDown", {"Retry-After": what[4:]} if what[4:] else {})
        elif what == "changed":
            self.refuse(412, "PreconditionFailed", {})
        else:
            start = int(ranged.removeprefix("bytes=").rstrip("-")) if ranged else 0
            rest = BODY[start:]
            self.send_response(206 if ranged else 200)
            self.send_header("Content-Length", str(len(rest)))
            self.send_header("ETag", f'"{ETAG}"')
            self.end_headers()
            if self.command == "HEAD":
                return
            self.wfile.write(rest[: int(what[6:])] if what.startswith("break ") else rest)
            self.close_connection = what != "whole"

    do_HEAD = do_GET

    def refuse(self, status: int, code: str, headers: dict[str, str]) -> None:
        answer = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(answer))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as made:
        yield made


def test_a_read_that_breaks_goes_on_where_it_was(server: Server) -> None:
    server.plan = ["break 70000", "break 1", "break 0", "whole"]
    with server.store.open(ITEM) as body:
        assert body.read() == BODY
    assert [ranged for _, ranged in server.asked] == [None, "bytes=70000-", "bytes=70001-", "bytes=70001-"]


def test_the_server_says_how_long_to_wait(server: Server) -> None:
    server.plan = ["503 2", "429 1"]
    with server.store.open(ITEM) as body:
        assert body.read() == BODY
    first, second, third = (at for at, _ in server.asked)
    assert second - first >= 2 and third - second >= 1


def test_a_server_that_never_answers_well_is_given_up_with_its_reason(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.plan = ["break 10"] + ["503"] * 20
    monkeypatch.setattr(s3_objects, "RESUMES", 3)
    with pytest.raises(ObjectGone, match=r"flights/a\.csv of s3://bucket at .*broke off after 10 of 210000.*SlowDown"):
        server.store.open(ITEM).read()
    assert len(server.asked) == 1 + 3
    server.plan = ["503 9999"]
    began = time.monotonic()
    with pytest.raises(ObjectGone, match="SlowDown"):
        server.store.open(ITEM)
    assert time.monotonic() - began < 30


def test_an_object_that_changes_midway_is_not_patched_together(server: Server) -> None:
    server.plan = ["break 70000", "changed"]
    with pytest.raises(ObjectGone, match=r"flights/a\.csv: changed or gone"):
        server.store.open(ITEM).read()


def test_a_read_has_a_limit_in_all(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_objects, "TOTAL_S", 2)
    with server.store.open(ITEM) as body:
        assert body.read(10) == BODY[:10]
        time.sleep(2.1)
        with pytest.raises(ObjectGone, match=r"not complete after 2 s"):
            body.read()


def test_each_attempt_is_on_record_with_what_came_of_it(server: Server) -> None:
    server.plan = ["503", "break 70000", "429 1", "whole"]
    before = time.time()
    with recording() as recorded, server.store.open(ITEM) as body:
        assert body.read() == BODY
    requests = list(recorded.latest)
    assert [r.status for r in requests] == [503, 200, 429, 206]
    assert [r.received_bytes for r in requests] == [0, 70_000, 0, len(BODY) - 70_000]
    assert [r.retry for r in requests] == [0, 1, 2, 3]
    assert requests[0].wait_s == 0 and requests[3].wait_s >= 1
    assert all(r.key == ITEM.key and 0 < (r.first_byte_s or 0) <= r.reading_s <= r.duration_s for r in requests)
    asked = [r.started_at for r in requests]
    assert before <= asked[0] and asked == sorted(asked) and asked[3] - asked[2] >= 1


def test_a_reader_that_takes_its_time_is_not_waiting_for_the_server(server: Server) -> None:
    with recording() as recorded, server.store.open(ITEM) as body:
        while body.read(100_000):
            time.sleep(0.2)
    (request,) = recorded.latest
    assert request.received_bytes == len(BODY)
    assert request.reading_s < 0.2 and (request.first_byte_s or 9) < 0.2


def test_an_answer_that_never_comes_is_on_record_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_objects, "RESUMES", 1)
    with serving(Server()) as gone:
        store = gone.store
    with recording() as recorded, pytest.raises(ObjectGone):
        store.open(ITEM)
    assert [(r.status, r.first_byte_s, r.received_bytes, r.retry) for r in recorded.latest] == [
        (None, None, 0, n) for n in (0, 1)
    ]


def test_whether_an_object_is_still_the_same_is_asked_again_where_the_server_says_later(server: Server) -> None:
    server.plan = ["503 1", "whole"]
    with recording() as recorded:
        server.store.verify(ITEM)
    requests = list(recorded.latest)
    assert [(r.status, r.received_bytes, r.retry) for r in requests] == [(503, 0, 0), (200, 0, 1)]
    assert requests[1].wait_s >= 1
    server.plan = ["changed"]
    with pytest.raises(ObjectGone, match=r"flights/a\.csv: changed or gone"):
        server.store.verify(ITEM)
