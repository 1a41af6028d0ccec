"""Where polls and flights go: objects of the landing, or topics of Kafka."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from opensky_assets.live.polls import Poll
from opensky_assets.settings import Settings
from opensky_assets.sources.keys import SIMULATED_MARKER, source_kind
from opensky_assets.storage.errors import SourceError, SourceUnavailable
from opensky_assets.storage.landing import MARKER, open_landing
from opensky_assets.storage.objects import WritableStore

PAUSE_S = 5.0
"""Between two tries to land an object in a bucket that has trouble."""


class SinkError(SourceError):
    """What was collected cannot be delivered; the text says what to do."""


class Sink(Protocol):
    """Takes what was collected; returns once it is safe, or raises `SinkError` or `SourceError`."""

    def put_poll(self, poll: Poll) -> None: ...

    def put_flights(self, key: str, answer: bytes) -> None:
        """An answer of `/flights/…`; the key is that of its landing object."""
        ...

    def close(self) -> None: ...


def poll_key(poll: Poll) -> str:
    """The key of a poll's landing object. The same answer has the same key, another one of the same time another."""
    day = datetime.fromtimestamp(poll.time, UTC).date()
    digest = hashlib.sha256(poll.body).hexdigest()[:8]
    return f"states/{day}/states_{poll.region}_{poll.time}_{digest}.json.gz"


class LandingSink:
    """One object an answer, as it was sent, never written over."""

    def __init__(self, store: WritableStore, wait: Callable[[float], bool], report: Callable[[str], None]) -> None:
        """`wait` waits so many seconds; whether the program is to end."""
        self.store, self._wait, self._report = store, wait, report

    def put_poll(self, poll: Poll) -> None:
        self.put(poll_key(poll), gzip.compress(poll.body, mtime=0))

    def put_flights(self, key: str, answer: bytes) -> None:
        self.put(key, gzip.compress(answer, mtime=0))

    def put(self, key: str, data: bytes) -> None:
        """Land an object where there is none; what is there already stays."""
        while True:
            try:
                self.store.put(key, data)
                return
            except SourceUnavailable as error:
                self._report(f"{error}; retry in {PAUSE_S:.0f} s")
                if self._wait(PAUSE_S):
                    raise SinkError(f"{key} was not stored before the end: {error}") from None

    def close(self) -> None: ...


def open_landing_of(settings: Settings, simulated: bool) -> WritableStore:
    """The landing, for real or simulated answers. Raises `SourceError` where it has the other ones."""
    store = open_landing(settings)
    if simulated and all(item.key == MARKER for item in store.list()):
        store.put(SIMULATED_MARKER, b"Simulated traffic.\n")
    kind, wanted = source_kind(store), "simulated" if simulated else "real"
    if kind != wanted:
        raise SourceError(
            f"the landing {store.uri} has {kind} responses, but these are {wanted}: "
            "set OPENSKY_LANDING to another place"
        )
    return store
