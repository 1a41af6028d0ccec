"""Whose rows a lake holds."""

from __future__ import annotations

from opensky_assets.lake import Lake
from opensky_assets.sources.keys import source_kind
from opensky_assets.storage.landing import landing_uri
from opensky_assets.storage.objects import ObjectStore


def claim(lake: Lake, store: ObjectStore) -> None:
    """Record the source, and its landing, as the lake's on first use. Raises `LakeError` where the lake belongs to
    others, `SourceError` where the two do not go together."""
    lake.claim(store.uri, source_kind(store), landing_uri(store))


def require_source(lake: Lake, store: ObjectStore) -> None:
    """Raise `LakeError` where the lake belongs to another source or landing, `SourceError` where the two do not go
    together. Nothing is recorded."""
    lake.require_source(store.uri, source_kind(store), landing_uri(store))
