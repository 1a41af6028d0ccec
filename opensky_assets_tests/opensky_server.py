"""A server on loopback that answers as OpenSky documents it: tokens, credits, nothing, too much, trouble, stalls."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

CLIENT_ID, CLIENT_SECRET = "a-client", "a-secret-of-a-client"

Answer = tuple[int, dict[str, str], bytes]


def credits_for(path: str, asked: dict[str, str]) -> int:
    """What OpenSky's documentation says that a question costs; flights of less than a day only."""
    if not path.endswith("/states/all") or "lamin" not in asked:
        return 4
    lamin, lomin, lamax, lomax = (float(asked[name]) for name in ("lamin", "lomin", "lamax", "lomax"))
    area = (lamax - lamin) * (lomax - lomin)
    return next((credits for bound, credits in ((25, 1), (100, 2), (400, 3)) if area <= bound), 4)


class _Handler(BaseHTTPRequestHandler):
    opensky: OpenSkyServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None: ...

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.answer(*self.opensky.token({name: values[0] for name, values in form.items()}))

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.opensky.requests.append((url.path, asked))
        fault = self.opensky.faults.popleft() if self.opensky.faults else None
        if fault == "expire":
            self.opensky.valid.clear()
        if fault in ("stall", "drip", "cut"):
            self.leave_waiting(fault)
            return
        if isinstance(fault, tuple):
            self.answer(*fault)
        elif fault == "html":
            self.answer(200, {}, b"<html>maintenance</html>")
        else:
            self.answer(*self.opensky.flights(self.headers.get("Authorization"), url.path, asked))

    def leave_waiting(self, fault: str) -> None:
        self.close_connection = True
        if fault == "stall":
            time.sleep(1.5)
            return
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(30 if fault == "drip" else 1):
            try:
                self.wfile.write(b" ")
                time.sleep(0.1)
            except OSError:
                break

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@dataclass
class OpenSkyServer:
    """`answers` gives the body for a path and its parameters, or `None` for 404. Each request first takes a fault from
    `faults`, if there is one: a status, with headers, or `stall`, `drip`, `html`, `expire`, `cut`."""

    answers: Callable[[str, dict[str, str]], bytes | None] = lambda path, asked: None
    faults: deque[Any] = field(default_factory=deque)
    token_seconds: float = 1800
    token_faults: deque[int] = field(default_factory=deque)
    tokens: list[str] = field(default_factory=list)
    valid: dict[str, float] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    refused: int = 0
    credits: int = 4000
    needs_token: bool = True

    def __enter__(self) -> OpenSkyServer:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"opensky": self}))
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/api"

    @property
    def token_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/token"

    def token(self, form: dict[str, str]) -> Answer:
        if self.token_faults:
            return self.token_faults.popleft(), {}, b""
        if form != {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}:
            return 401, {}, b'{"error":"unauthorized_client"}'
        token = f"token-{len(self.tokens)}"
        self.tokens.append(token)
        self.valid[token] = time.monotonic() + self.token_seconds
        return 200, {}, json.dumps({"access_token": token, "expires_in": self.token_seconds}).encode()

    def flights(self, authorization: str | None, path: str, asked: dict[str, str]) -> Answer:
        token = (authorization or "").removeprefix("Bearer ")
        if self.needs_token and self.valid.get(token, 0) < time.monotonic():
            self.refused += 1
            return 401, {}, b""
        self.credits -= credits_for(path, asked)
        headers = {"X-Rate-Limit-Remaining": str(self.credits)}
        body = self.answers(path, asked)
        return (404, headers, b"") if body is None else (200, headers, body)
