"""What follows from a table, and what a group holds, by the graph of assets.

Runs are made of no other list, so that a table or asset that is added later takes part in them by itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import dagster as dg

from opensky_assets.dagster_private import BaseAssetGraph


def graph_in(context: dg.SensorEvaluationContext | dg.ScheduleEvaluationContext) -> BaseAssetGraph:
    """The graph of the code location of a tick."""
    assert context.repository_def is not None
    return context.repository_def.asset_graph


def raw_assets(tables: Iterable[str]) -> list[str]:
    """The assets that read these raw tables."""
    return [f"raw_{table}" for table in tables]


def following(graph: BaseAssetGraph, assets: Iterable[str]) -> list[str]:
    """These assets and what follows from them by the same partitions and backfill policy: of a daily one all that is
    daily and takes a range of days in one run. Upstream comes first."""
    origin = [dg.AssetKey(name) for name in assets]

    def calendar(key: dg.AssetKey) -> tuple[object, object]:
        return graph.get(key).partitions_def, graph.get(key).backfill_policy

    calendars = [calendar(key) for key in origin]
    chosen = dg.AssetSelection.assets(*origin).downstream().resolve(graph)
    return _names(graph, {key for key in chosen if calendar(key) in calendars})


def assets_of(graph: BaseAssetGraph, tables: Iterable[str]) -> list[str]:
    """The assets of these raw tables, and what follows from them by day."""
    return following(graph, raw_assets(tables))


def in_group(graph: BaseAssetGraph, group: str) -> list[str]:
    """The assets of a group of the graph. Upstream comes first."""
    return _names(graph, dg.AssetSelection.groups(group).resolve(graph))


def _names(graph: BaseAssetGraph, keys: Collection[dg.AssetKey]) -> list[str]:
    return [key.to_user_string() for key in graph.toposorted_asset_keys if key in keys]
