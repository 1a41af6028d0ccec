"""Pages of a lake over HTTP on loopback, so that a browser opens them: read only, and nothing else of the lake.

A browser follows no `file://` link of a web page, and a page in a bucket has no address that it could open.
"""

from __future__ import annotations

import html
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from opensky_assets.lake import Lake, open_lake
from opensky_assets.settings import Settings
from opensky_assets.storage.errors import LakeError

LOOPBACK = "127.0.0.1"

_log = logging.getLogger(__name__)

_PAGE = re.compile(r"reports/[A-Za-z0-9=_-]+/[A-Za-z0-9_-]+\.(html|png)")
_TYPES = {"html": "text/html; charset=utf-8", "png": "image/png"}

_HEADERS = {
    # The page's own policy stands in the page. In a sandbox it has no origin, so no other server here trusts it.
    "Content-Security-Policy": "sandbox allow-scripts allow-downloads; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class PageServer(ThreadingHTTPServer):
    """Serves the pages of the lake that `open_lake` gives. `names` are further hosts by which it is asked, as that of a
    proxy in front of it."""

    daemon_threads = True

    def __init__(
        self, open_lake: Callable[[], Lake], host: str = LOOPBACK, port: int = 0, names: frozenset[str] = frozenset()
    ) -> None:
        self.open_lake = open_lake
        self.names = {LOOPBACK, "localhost", "[::1]", *names}
        super().__init__((host, port), _Handler)

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    @contextmanager
    def running(self) -> Iterator[PageServer]:
        """Serves in a thread until the block ends."""
        thread = threading.Thread(target=self.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()
            thread.join()


@contextmanager
def pages_beside(settings: Settings, host: str = LOOPBACK) -> Iterator[None]:
    """Beside the Dagster UI, the pages of the settings' lake at `pages_url`, where the UI's links lead. Where the port
    is taken, a warning says so."""
    place = urlsplit(settings.pages_url)
    lake = cache(lambda: open_lake(settings))
    port = place.port or 80
    try:
        server = PageServer(lake, host, port, frozenset({place.hostname or LOOPBACK}))
    except OSError as failure:
        told = f"{host}:{port} cannot be listened on ({failure.strerror}); links to reports in the UI do not open"
        _log.warning("%s: stop what listens there, or set OPENSKY_REPORTS_URL to another port", told)
        yield
        return
    with server.running():
        yield


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    server_version, sys_version = "opensky-assets", ""
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, body: bool) -> None:
        # A page of somebody else whose name points to 127.0.0.1 must not read ours (DNS rebinding).
        name = re.sub(r":\d+$", "", self.headers.get("Host", ""))
        if name not in self.server.names:
            self._send(HTTPStatus.MISDIRECTED_REQUEST, f"this server answers for {LOOPBACK} only", body)
            return
        path = unquote(urlsplit(self.path).path).lstrip("/")
        found = _PAGE.fullmatch(path)
        try:
            if found and (content := self._read(path)) is not None:
                self._send(HTTPStatus.OK, content, body, _TYPES[found.group(1)])
            elif path == "":
                self._send(HTTPStatus.OK, self._list(), body, _TYPES["html"])
            else:
                self._send(HTTPStatus.NOT_FOUND, f"no such page in the lake {self.server.open_lake()}: {path}", body)
        except LakeError as failure:
            self._send(HTTPStatus.BAD_GATEWAY, str(failure), body)

    def _read(self, path: str) -> bytes | None:
        try:
            return self.server.open_lake().files.read(path)
        except FileNotFoundError:
            return None

    def _list(self) -> bytes:
        lake = self.server.open_lake()
        pages = sorted(file.path for file in lake.files.walk("reports") if _PAGE.fullmatch(file.path))
        links = "".join(
            f'<li><a href="/{html.escape(page)}">{html.escape(page.split("/")[1])}</a></li>'
            for page in pages
            if page.endswith("/report.html")
        )
        head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Reports</title>'
        return f"{head}<h1>Reports of {html.escape(str(lake))}</h1><ul>{links or 'None yet.'}</ul></html>".encode()

    def _send(
        self, status: HTTPStatus, content: bytes | str, body: bool, kind: str = "text/plain; charset=utf-8"
    ) -> None:
        data = content if isinstance(content, bytes) else f"{content}\n".encode()
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": kind, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, format: str, *values: Any) -> None:
        """Nothing: whoever reads the terminal wants the address, not each request."""
