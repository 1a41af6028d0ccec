"""What the steps of a run loaded, in which versions: that is what the days they return are made of."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster import InputContext, OutputContext

from opensky_assets.lake import Lake
from opensky_assets.lake.days import InputsNow
from opensky_assets.lake.manifest import Inputs
from opensky_assets.lake.tables import snapshot_of
from opensky_assets.schemas import Contract
from opensky_assets.transforms.inputs import Versions, combined, versions_of

WHOLE = ""
"""In place of a day, where a table was loaded as a whole."""


def step_of(context: InputContext) -> Any:
    """The step that loads an input; `None` for who loads an asset outside a run, where Dagster's property raises."""
    try:
        return context.step_context
    except dg.DagsterInvariantViolationError:
        return None


@dataclass(frozen=True)
class Loaded:
    """A table that a step loaded, `None` for all its days, and the versions that it had then."""

    contract: Contract
    days: list[str] | None
    versions: Versions


@dataclass
class LoadedInputs:
    """The tables that each step of a run loaded."""

    by_step: dict[tuple[str, str], dict[dg.AssetKey, Loaded]] = field(default_factory=dict)

    def add(self, context: InputContext, lake: Lake, contract: Contract, days: list[str] | None) -> None:
        """Note a table before it is read: what replaces its files meanwhile makes the step's days due again."""
        step = step_of(context)
        if step is not None and any(output.properties.is_asset for output in step.step.step_outputs):
            loaded = self.by_step.setdefault((step.run_id, step.step.key), {})
            loaded[context.asset_key] = Loaded(contract, days, _versions(lake, contract, days))

    def inputs_of(self, context: OutputContext, lake: Lake, own: Inputs) -> tuple[dict[str, Inputs], InputsNow]:
        """What each day of a step's output is made of, `own` included, and how to ask what that is now."""
        step = context.step_context
        loaded = self.by_step.get((step.run_id, step.step.key), {})
        reach = {key: _days_of_parent(context, key) for key in loaded}

        def inputs(versions: Mapping[dg.AssetKey, Versions], days: Iterable[str]) -> dict[str, Inputs]:
            found: dict[str, Inputs] = {}
            for day in days:
                made_of = dict(own)
                for key, of_table in versions.items():
                    for upstream in sorted({*reach[key](day), WHOLE} & of_table.keys()):
                        path = loaded[key].contract.path
                        made_of[path if upstream in (day, WHOLE) else f"{path}/{upstream}"] = of_table[upstream]
                found[day] = made_of
            return found

        def now(days: Iterable[str]) -> dict[str, Inputs]:
            return inputs({key: _versions(lake, table.contract, table.days) for key, table in loaded.items()}, days)

        return inputs({key: table.versions for key, table in loaded.items()}, context.asset_partition_keys), now


def _versions(lake: Lake, contract: Contract, days: Iterable[str] | None) -> Versions:
    if contract.path.endswith(".parquet"):
        return {WHOLE: snapshot_of(lake, contract)} if lake.exists(contract.path) else {}
    if days is not None:
        return versions_of(lake, contract, days)
    every = versions_of(lake, contract, lake.days(contract.path))
    return {WHOLE: combined(f"{day} {version}" for day, version in sorted(every.items()))}


def _days_of_parent(context: OutputContext, parent: dg.AssetKey) -> Callable[[str], set[str]]:
    """Which days of an upstream table a day of the output is made of, by the asset's partition mapping."""
    graph = context.step_context.job_def.asset_layer.asset_graph
    if graph.get(parent).partitions_def is None:
        return lambda day: set()
    return lambda day: set(
        graph.get_parent_partition_keys_for_child(day, parent, context.asset_key).partitions_subset.get_partition_keys()
    )
