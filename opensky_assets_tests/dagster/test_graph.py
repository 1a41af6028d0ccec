"""What follows from a table is what the graph says, not a list: an asset that is added takes part by itself."""

from __future__ import annotations

import dagster as dg
import pytest

from opensky_assets.dagster_private import BaseAssetGraph
from opensky_assets.definitions import build_definitions, pipeline_assets, with_policies
from opensky_assets.graph import assets_of, following, in_group
from opensky_assets.partitions import DAILY, SINGLE_RUN
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.settings import Settings

MARTS = {
    "aircraft_utilisation",
    "airport_movements_hourly",
    "airport_traffic",
    "manufacturers",
    "od_matrix",
    "routes",
}


@pytest.fixture(scope="module")
def graph() -> BaseAssetGraph:
    return build_definitions(OpenSkyResource()).resolve_asset_graph()


def test_what_follows_from_the_raw_tables(graph: BaseAssetGraph) -> None:
    daily = {"data_quality_daily", "daily_report"}
    flights = assets_of(graph, ["flights"])
    assert set(flights) == {"raw_flights", "flights", "enriched_flights", *MARTS, *daily}
    assert set(assets_of(graph, ["state_vectors"])) == {"raw_state_vectors", "enriched_state_vectors", *daily}
    assert set(assets_of(graph, ["flights", "state_vectors"])) == {
        *flights,
        *assets_of(graph, ["state_vectors"]),
    }
    assert flights[:3] == ["raw_flights", "flights", "enriched_flights"] and flights[-1] == "daily_report"


def test_models_between_are_shown_and_stand_in_no_selection(graph: BaseAssetGraph) -> None:
    """Dagster refuses a job over what cannot be materialized, and every raw table is followed by `downstream()`."""
    staging = {dg.AssetKey(name) for name in ("stg_counts", "stg_flights", "stg_movements")}
    assert staging == graph.get_all_asset_keys() - graph.materializable_asset_keys
    assert dg.AssetKey("stg_flights") in graph.get(dg.AssetKey("routes")).parent_keys
    for key in graph.materializable_asset_keys:
        around = dg.AssetSelection.assets(key).downstream() | dg.AssetSelection.assets(key).upstream()
        assert staging.isdisjoint(around.resolve(graph)), key
    assert graph.get(dg.AssetKey("od_matrix")).parent_keys == {dg.AssetKey("routes"), dg.AssetKey("enriched_flights")}


def test_what_groups_hold(graph: BaseAssetGraph) -> None:
    assert in_group(graph, "reference") == ["aircraft_database", "airports"]
    assert in_group(graph, "benchmark") == ["ingest_benchmark", "benchmark_report"]


@dg.asset(partitions_def=DAILY, group_name="raw")
def raw_metar() -> None: ...


@dg.asset(partitions_def=DAILY, deps=[raw_metar])
def weather() -> None: ...


@dg.asset(partitions_def=DAILY, deps=[weather], backfill_policy=dg.BackfillPolicy.multi_run())
def day_by_day() -> None: ...


@dg.asset(deps=[weather])
def climate() -> None: ...


def test_a_table_that_is_added_is_followed_by_what_is_daily_and_takes_a_range() -> None:
    added = dg.Definitions(assets=[raw_metar, weather, day_by_day, climate])
    found = with_policies(added, Settings(_env_file=None))
    graph = found.resolve_asset_graph()
    assert assets_of(graph, ["metar"]) == ["raw_metar", "weather"]
    assert following(graph, ["climate"]) == ["climate"]
    assert {key.to_user_string() for key in pipeline_assets(found)} == {"raw_metar", "weather"}
    assert graph.get(dg.AssetKey("weather")).backfill_policy == SINGLE_RUN
    assert graph.get(dg.AssetKey("day_by_day")).backfill_policy == dg.BackfillPolicy.multi_run()
