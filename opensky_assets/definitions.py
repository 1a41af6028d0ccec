"""The one entry for Dagster: loads `defs/` and applies the policies that hold for all."""

import warnings

import dagster as dg

from opensky_assets.datasets import load_own
from opensky_assets.defs.automation import automation, with_freshness
from opensky_assets.defs.raw.assets import raw_assets
from opensky_assets.defs.raw.checks import raw_checks
from opensky_assets.io_managers.lake import lake_io_manager
from opensky_assets.resources.dbt import DbtResource
from opensky_assets.resources.monitor import MonitorResource
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.resources.spark import SparkResource

OWNERS = ["team:opensky-assets"]


def build_definitions(opensky: OpenSkyResource) -> dg.Definitions:
    """All definitions over one resource; tests hand one in with a source and a lake of their own.

    `dg.load_from_defs_folder` would do the same, but it imports every installed library that registers components,
    dagster_dbt and dagster_aws among them: four seconds at every start of the command line.
    """
    spark, monitor = SparkResource(), MonitorResource()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)  # what is preview or beta is pinned and tested here
        warnings.simplefilter("ignore", dg.BetaWarning)
        found = dg.load_definitions_from_package_name(
            "opensky_assets.defs",
            resources={
                "opensky": opensky,
                "io_manager": lake_io_manager(opensky, spark, monitor),
                "monitor": monitor,
                "dbt": DbtResource(),
                "spark": spark,
            },
            # Dagster's default starts a process a step, five core-seconds each; the work in a step is parallel here.
            executor=dg.in_process_executor,
        )
        settings = opensky.settings()
        own = load_own(settings)
        raw = dg.Definitions(assets=raw_assets(), asset_checks=list(raw_checks()))
        found = dg.Definitions.merge(found, raw, automation(settings))
        if own is not None:
            found = dg.Definitions.merge(found, dg.load_definitions_from_module(own))

        def policies(spec: dg.AssetSpec) -> dg.AssetSpec:
            return with_freshness(spec.replace_attributes(owners=spec.owners or OWNERS), settings)

        return found.map_resolved_asset_specs(func=policies)


@dg.definitions
def defs() -> dg.Definitions:
    return build_definitions(OpenSkyResource())
