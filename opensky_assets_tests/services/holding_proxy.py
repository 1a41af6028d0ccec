"""An HTTP proxy that holds one chosen request back, until it is released: a request that arrives late."""

from __future__ import annotations

import re
import socket
import threading
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import unquote, urlsplit

WAIT_S = 60


@dataclass
class HeldRequest:
    """The first request of this method whose path matches. `arrived` once the proxy has it."""

    method: str
    path: re.Pattern[str]
    arrived: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        assert self.arrived.wait(WAIT_S), f"no {self.method} of {self.path.pattern} came"


class HoldingProxy:
    """Stands before an HTTP server and passes everything on as it is. Requests are read as far as their method, path
    and length."""

    def __init__(self, endpoint: str, method: str, path: str) -> None:
        parts = urlsplit(endpoint)
        self.target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.held = HeldRequest(method, re.compile(path))
        self.server = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        self._lock = threading.Lock()

    def __enter__(self) -> HoldingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.held.released.set()
        self.server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            upstream = socket.create_connection(self.target)
            threading.Thread(target=self._requests, args=(client, upstream), daemon=True).start()
            threading.Thread(target=self._answers, args=(client, upstream), daemon=True).start()

    def _requests(self, client: socket.socket, upstream: socket.socket) -> None:
        try:
            with client.makefile("rb") as stream:
                while line := stream.readline():
                    head, length = [line], 0
                    while (header := stream.readline()) not in (b"\r\n", b""):
                        head.append(header)
                        name, _, value = header.partition(b":")
                        if name.strip().lower() == b"content-length":
                            length = int(value)
                    self._hold(line)
                    upstream.sendall(b"".join([*head, b"\r\n"]))
                    while length and (data := stream.read1(min(length, 1 << 16))):
                        upstream.sendall(data)
                        length -= len(data)
        except OSError:
            pass
        _end(client, upstream)

    def _hold(self, line: bytes) -> None:
        method, target, _ = line.decode().split(" ", 2)
        with self._lock:
            first = not self.held.arrived.is_set()
            chosen = first and method == self.held.method and self.held.path.search(unquote(urlsplit(target).path))
            if chosen:
                self.held.arrived.set()
        if chosen:
            self.held.released.wait(WAIT_S)

    def _answers(self, client: socket.socket, upstream: socket.socket) -> None:
        try:
            while data := upstream.recv(1 << 16):
                client.sendall(data)
        except OSError:
            pass
        _end(client, upstream)


def _end(*ends: socket.socket) -> None:
    for end in ends:
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue
