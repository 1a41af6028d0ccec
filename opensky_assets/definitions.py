"""The one entry for Dagster: loads `defs/` and applies the policies that hold for all."""

import warnings

import dagster as dg

import opensky_assets.defs
from opensky_assets.components.folder import component_definitions
from opensky_assets.datasets import load_own
from opensky_assets.defs.automation import automation
from opensky_assets.defs.automation.freshness import with_freshness
from opensky_assets.defs.marts.assets import mart_assets
from opensky_assets.defs.raw.assets import raw_assets
from opensky_assets.defs.raw.checks import raw_checks
from opensky_assets.io_managers.lake import lake_io_manager
from opensky_assets.partitions import DAILY, SINGLE_RUN
from opensky_assets.resources.dbt import DbtResource
from opensky_assets.resources.monitor import MonitorResource
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.resources.spark import SparkResource
from opensky_assets.settings import Settings

OWNERS = ["team:opensky-assets"]


def build_definitions(opensky: OpenSkyResource) -> dg.Definitions:
    """All definitions over one resource; tests hand one in with a source and a lake of their own.

    `dg.load_from_defs_folder` would do the same, but it imports every installed library that registers components,
    dagster_dbt and dagster_aws among them: four seconds at every start of the command line.
    """
    settings = opensky.settings()
    spark, monitor = SparkResource(), MonitorResource()
    resources = {
        "opensky": opensky,
        "io_manager": lake_io_manager(opensky, spark, monitor),
        "monitor": monitor,
        "dbt": DbtResource(),
        "spark": spark,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)  # what is preview or beta is pinned and tested here
        warnings.simplefilter("ignore", dg.BetaWarning)
        loaded = dg.load_definitions_from_package_name(
            "opensky_assets.defs",
            resources=resources,
            # Dagster's default starts a process a step, five core-seconds each; the work in a step is parallel here.
            executor=dg.in_process_executor,
        )
        own = load_own(settings)
        raw = dg.Definitions(assets=raw_assets(), asset_checks=list(raw_checks()))
        marts = dg.Definitions(assets=mart_assets())
        parts = [loaded, raw, marts, component_definitions(opensky_assets.defs)]
        if own is not None:
            parts.append(dg.load_definitions_from_module(own))
        loaded = with_policies(dg.Definitions.merge(*parts), settings)
        checks = [check for check in loaded.asset_checks or () if isinstance(check, dg.AssetChecksDefinition)]
        return dg.Definitions.merge(loaded, automation(settings, pipeline_assets(loaded), checks))


def with_policies(definitions: dg.Definitions, settings: Settings) -> dg.Definitions:
    """The definitions with what holds for all assets: owners, freshness, and that a range of days is one run."""

    def of_asset(spec: dg.AssetSpec) -> dg.AssetSpec:
        return with_freshness(spec.replace_attributes(owners=spec.owners or OWNERS), settings)

    found = definitions.map_resolved_asset_specs(func=of_asset)
    assets = [
        asset.with_attributes(backfill_policy=SINGLE_RUN)
        if isinstance(asset, dg.AssetsDefinition) and asset.partitions_def and not asset.backfill_policy
        else asset
        for asset in found.assets or ()
    ]
    return dg.Definitions(
        assets=assets,
        asset_checks=found.asset_checks,
        jobs=found.jobs,
        schedules=found.schedules,
        sensors=found.sensors,
        resources=found.resources,
        executor=found.executor,
        loggers=found.loggers,
        metadata=found.metadata,
        component_tree=found.component_tree,
    )


def pipeline_assets(definitions: dg.Definitions) -> list[dg.AssetKey]:
    """The assets of which a range of days is one run."""
    return [
        key
        for asset in definitions.assets or ()
        if isinstance(asset, dg.AssetsDefinition)
        and asset.partitions_def == DAILY
        and asset.backfill_policy == SINGLE_RUN
        for key in asset.keys
    ]


@dg.definitions
def defs() -> dg.Definitions:
    return build_definitions(OpenSkyResource())
