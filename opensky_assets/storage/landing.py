"""The landing: a store of one's own, beside a source that may be read only, listed with it as one.

Its objects have the keys that they have there behind `LANDING`, so that no two objects of a lake share a key.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from opensky_assets.storage.errors import SourceError
from opensky_assets.storage.objects import LocalStore, ObjectStore, SourceObject, WritableStore, open_source, open_store

if TYPE_CHECKING:
    from opensky_assets.settings import Settings

LANDING = "@landing/"

MARKER = "LANDING.txt"
"""An object at the root of each landing: one whose other objects were all removed is still there."""

_MARKER_TEXT = (
    b"Answers of OpenSky's API, as opensky-assets received them. The lake that reads them names this place.\n"
)


@dataclass(frozen=True)
class SourceAndLanding:
    """A source and its landing, to read."""

    source: ObjectStore
    landing: ObjectStore

    @property
    def uri(self) -> str:
        return self.source.uri

    def list(self, prefix: str = "") -> Iterator[SourceObject]:
        landed: Iterator[SourceObject] = iter(())
        if prefix.startswith(LANDING) or LANDING.startswith(prefix):
            below = self.landing.list(prefix.removeprefix(LANDING) if prefix.startswith(LANDING) else "")
            landed = (replace(item, key=LANDING + item.key) for item in below)
        return heapq.merge(self._own(prefix), landed)

    def _own(self, prefix: str) -> Iterator[SourceObject]:
        for item in self.source.list(prefix):
            if is_landed(item.key):
                raise SourceError(
                    f"the source {self.uri} has the object {item.key}; keys that begin with {LANDING} are the "
                    "landing's: rename it"
                )
            yield item

    def left_out(self) -> dict[str, str]:
        return self.source.left_out() | {LANDING + key: why for key, why in self.landing.left_out().items()}

    def open(self, item: SourceObject) -> BinaryIO:
        store, own = self._of(item)
        return store.open(own)

    def verify(self, item: SourceObject) -> None:
        store, own = self._of(item)
        store.verify(own)

    def _of(self, item: SourceObject) -> tuple[ObjectStore, SourceObject]:
        """The store of an object, and what it is called there."""
        if is_landed(item.key):
            return self.landing, replace(item, key=item.key.removeprefix(LANDING))
        return self.source, item


def is_landed(key: str) -> bool:
    """Whether the object is the landing's."""
    return key.startswith(LANDING)


def uri_of(store: ObjectStore, key: str) -> str:
    """What names the store that an object of a listing is in."""
    return store.landing.uri if isinstance(store, SourceAndLanding) and is_landed(key) else store.uri


def landing_uri(store: ObjectStore) -> str | None:
    """What names the landing that a source is listed with."""
    return store.landing.uri if isinstance(store, SourceAndLanding) else None


def each_store(store: ObjectStore) -> tuple[ObjectStore, ...]:
    """The source alone, or the source and its landing."""
    return (store.source, store.landing) if isinstance(store, SourceAndLanding) else (store,)


def find_landing(settings: Settings) -> WritableStore:
    """The landing of the settings, be it there or not. Raises `SourceError` where none can be there."""
    where = settings.landing
    store = _anywhere(
        open_store("OPENSKY_LANDING", where.uri, where.endpoint, where.region, where.profile, anonymous=False)
    )
    for name, uri in (("OPENSKY_SOURCE", settings.source.uri), ("OPENSKY_LAKE", settings.lake.uri)):
        other = uri if uri.startswith("s3://") else Path(uri).resolve().as_uri()
        if f"{other}/".startswith(f"{store.uri}/") or f"{store.uri}/".startswith(f"{other}/"):
            raise SourceError(
                f"OPENSKY_LANDING={where.uri} and {name}={uri} overlap, so that objects would count twice: "
                "set one of them to another place"
            )
    return store


def open_landing(settings: Settings) -> WritableStore:
    """The landing of the settings, made where there is none. Raises `SourceError`."""
    store = find_landing(settings)
    if not store.put(MARKER, _MARKER_TEXT):
        raise SourceError(f"{MARKER} in OPENSKY_LANDING={settings.landing.uri} is not the landing's: remove it")
    return store


def open_stores(settings: Settings) -> ObjectStore:
    """The source of the settings, with its landing where there is one."""
    source = open_source(settings)
    if not settings.landing.uri.startswith("s3://") and not Path(settings.landing.uri).is_dir():
        return source
    landing = find_landing(settings)
    return SourceAndLanding(_anywhere(source), landing) if any(True for _ in landing.list(MARKER)) else source


def _anywhere(store: WritableStore) -> WritableStore:
    """A store that is the same from any folder: executors of Spark work in folders of their own."""
    return replace(store, root=store.root.resolve()) if isinstance(store, LocalStore) else store
