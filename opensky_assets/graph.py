"""What follows from an asset, by the graph of the definitions."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph


def graph_of() -> BaseAssetGraph:
    """The graph of this process's definitions."""
    from opensky_assets.definitions import defs

    return defs().resolve_asset_graph()


def raw_assets(tables: Iterable[str]) -> list[str]:
    """The assets that read these raw tables."""
    return [f"raw_{table}" for table in tables]


def following(graph: BaseAssetGraph, assets: Iterable[str]) -> list[str]:
    """These assets and what follows from them by their own partitions: of a daily one all that is daily. Upstream
    comes first."""
    origin = [dg.AssetKey(name) for name in assets]
    partitions = {graph.get(key).partitions_def for key in origin}
    chosen = dg.AssetSelection.assets(*origin).downstream().resolve(graph)
    kept = {key for key in chosen if graph.get(key).partitions_def in partitions}
    return [key.to_user_string() for key in graph.toposorted_asset_keys if key in kept]
