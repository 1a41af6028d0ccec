"""Runs of the real definitions on an ephemeral instance, over a source and a lake of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from opensky_assets.definitions import build_definitions
from opensky_assets.resources import failures
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets_tests.lakes import LocalLake


@dataclass
class Platform:
    """A source folder, a lake and an instance, with the project's own definitions over them."""

    bucket: Path
    lake: LocalLake
    instance: dg.DagsterInstance
    definitions: dg.Definitions
    opensky: OpenSkyResource

    def run(
        self,
        assets: Sequence[str],
        first: str | None = None,
        last: str | None = None,
        config: Mapping[str, object] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Materialize assets, for a range of days where one is given, as the UI and the command line do."""
        tags = {}
        if first:
            tags = {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last or first}
        job = self.definitions.resolve_implicit_global_asset_job_def()
        keys = [dg.AssetKey(name) for name in assets]
        graph = job.asset_layer.asset_graph
        checks = [key for name in keys for key in graph.get(name).check_keys]
        chosen = job.get_subset(asset_selection=set(keys), asset_check_selection=set(checks))
        return chosen.execute_in_process(run_config=config, instance=self.instance, tags=tags, raise_on_error=False)

    def materialized(self, asset: str) -> list[str]:
        return sorted(self.instance.get_materialized_partitions(dg.AssetKey(asset)))

    def metadata(self, asset: str, day: str) -> dict[str, object]:
        """Metadata of the newest materialization of a day."""
        records = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[day]), limit=1
        ).records
        materialization = records[0].asset_materialization
        assert materialization is not None
        return {name: value.value for name, value in materialization.metadata.items()}


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is so without a wait."""
    monkeypatch.setattr(failures, "WAIT_SECONDS", 0)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    bucket, lake = tmp_path / "bucket", tmp_path / "lake"
    bucket.mkdir()
    opensky = OpenSkyResource(source=str(bucket), lake=str(lake), warehouse=str(tmp_path / "warehouse.duckdb"))
    return Platform(bucket, LocalLake.at(lake), dg.DagsterInstance.ephemeral(), build_definitions(opensky), opensky)
