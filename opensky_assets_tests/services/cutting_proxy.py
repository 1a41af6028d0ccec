"""A TCP proxy that cuts connections in the middle of what is read or written."""

from __future__ import annotations

import random
import socket
import threading
from types import TracebackType
from urllib.parse import urlsplit


class CuttingProxy:
    """Stands before an HTTP server and ends connections after some bytes, until `cuts` are given out; both ways count,
    so that answers and uploads are cut alike."""

    def __init__(self, endpoint: str, cuts: int, seed: int, within_bytes: int = 300_000) -> None:
        parts = urlsplit(endpoint)
        self.target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.left, self.within, self.made = cuts, within_bytes, 0
        self.random, self.lock = random.Random(seed), threading.Lock()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self.server.getsockname()[1]}"

    def __enter__(self) -> CuttingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            with self.lock:
                cut = self.left > 0
                self.left -= cut
                budget = [self.random.randrange(1, self.within)] if cut else None
            upstream = socket.create_connection(self.target)
            for one, other in ((client, upstream), (upstream, client)):
                threading.Thread(target=self._pump, args=(one, other, budget), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket, budget: list[int] | None) -> None:
        try:
            while data := one.recv(16_384):
                if budget is not None:
                    budget[0] -= len(data)
                    if budget[0] < 0:
                        with self.lock:
                            self.made += 1
                        break
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
