"""OpenSky Network raw files as typed, checked, enriched daily tables."""

from __future__ import annotations

# Set-up runs this file before anything can be imported, and most who import the package ask nothing.
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from opensky_assets.lake import Lake
    from opensky_assets.research import flights, states, track

__all__ = ["connect", "flights", "states", "track"]


def connect(lake: Lake | str | Path | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection in memory with every table of the lake as a view: `connect().sql("FROM routes")`.

    `lake` is the lake's folder, or `s3://…`; by default the one in the settings. Times are shown in UTC. Nothing gets
    locked. Raises `LakeError` where there is no lake.
    """
    from opensky_assets.datasets import load_own
    from opensky_assets.lake.connect import connect as open_lake
    from opensky_assets.settings import load_settings

    load_own(load_settings())
    return open_lake(lake)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from opensky_assets import research

    return getattr(research, name)
