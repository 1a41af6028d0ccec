"""The service as `opensky-assets start` starts it, asked by GraphQL as its own UI asks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from opensky_assets_tests.commands import ROOT, Place
from opensky_assets_tests.services.conftest import free_port

LAUNCH = """
mutation LaunchPipelineExecution($executionParams: ExecutionParams!) {
  launchPipelineExecution(executionParams: $executionParams) {
    __typename
    ... on LaunchRunSuccess { run { id } }
    ... on PythonError { message }
  }
}"""
BACKFILL = """
mutation LaunchPartitionBackfill($backfillParams: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $backfillParams) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""
TERMINATE = """
mutation Terminate($runId: String!) {
  terminateRun(runId: $runId) {
    __typename
    ... on PythonError { message }
  }
}"""
RUNS = """
query Runs($filter: RunsFilter) {
  runsOrError(filter: $filter) {
    ... on Runs {
      results { id status startTime endTime parentRunId tags { key value } assets { key { path } } }
    }
  }
}"""
MATERIALIZATIONS = """
query AssetMaterializations($assetKey: AssetKeyInput!, $partitions: [String!]) {
  assetOrError(assetKey: $assetKey) {
    ... on Asset {
      assetMaterializations(partitions: $partitions) {
        partition
        runId
        metadataEntries { label ... on IntMetadataEntry { intValue } ... on TableSchemaMetadataEntry { __typename } }
      }
    }
  }
}"""


@dataclass(frozen=True)
class Running:
    """A service that runs, and the place it works in."""

    place: Place
    port: int

    def ask(self, query: str, **variables: object) -> Any:
        """The data of an answer; errors are raised."""
        with httpx.Client(trust_env=False, timeout=60) as client:
            told = client.post(
                f"http://127.0.0.1:{self.port}/graphql", json={"query": query, "variables": variables}
            ).raise_for_status()
        answer = told.json()
        assert "errors" not in answer, answer["errors"]
        (data,) = answer["data"].values()
        return data

    def launch(self, assets: Sequence[str], **tags: str) -> str:
        """Materialize assets as the UI's button does; the run's id."""
        selector = {
            "repositoryLocationName": "opensky_assets",
            "repositoryName": "__repository__",
            "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": [name]} for name in assets],
        }
        told = [{"key": key, "value": value} for key, value in tags.items()]
        parameters = {"selector": selector, "mode": "default", "executionMetadata": {"tags": told}}
        answer = self.ask(LAUNCH, executionParams=parameters)
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return answer["run"]["id"]

    def launch_day(self, assets: Sequence[str], day: str) -> str:
        return self.launch(assets, **{"dagster/partition": day})

    def backfill(self, assets: Sequence[str], days: Sequence[str]) -> str:
        """Materialize several partitions as the UI's dialog does; the backfill's id."""
        parameters = {"assetSelection": [{"path": [name]} for name in assets], "partitionNames": list(days)}
        answer = self.ask(BACKFILL, backfillParams=parameters)
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return answer["backfillId"]

    def terminate(self, run: str) -> None:
        """As the UI's button does."""
        answer = self.ask(TERMINATE, runId=run)
        assert answer["__typename"] == "TerminateRunSuccess", answer

    def runs(self, **filters: object) -> list[dict[str, Any]]:
        return self.ask(RUNS, filter=filters)["results"]

    def end_of(self, run: str) -> str:
        """The status of a run once it has ended."""
        return wait_for(lambda: self._ended(run), f"the end of run {run}", self.logs)

    def _ended(self, run: str) -> str | None:
        (found,) = self.runs(runIds=[run])
        return found["status"] if found["status"] in ("SUCCESS", "FAILURE", "CANCELED") else None

    def metadata(self, asset: str, day: str) -> dict[str, int]:
        """The numbers that the newest materialization of a day tells."""
        found = self.ask(MATERIALIZATIONS, assetKey={"path": [asset]}, partitions=[day])["assetMaterializations"]
        assert {one["partition"] for one in found} == {day}
        return {entry["label"]: entry["intValue"] for entry in found[0]["metadataEntries"] if "intValue" in entry}

    def processes(self) -> dict[str, psutil.Process]:
        return processes_of(self.place)

    def logs(self) -> str:
        folder = self.place.home / "service"
        return "\n".join(f"{path.name}:\n{path.read_text()}" for path in sorted(folder.glob("*.log*")))


def processes_of(place: Place) -> dict[str, psutil.Process]:
    """The living processes of the service, by part."""
    found = {}
    for record in (place.home / "service").glob("*.json"):
        told = json.loads(record.read_text())
        try:
            process = psutil.Process(told["pid"])
        except psutil.NoSuchProcess:
            continue
        if process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - told["created"]) < 1:
            found[record.stem] = process
    return found


def wait_for(found: Callable[[], Any], what: str, told: Callable[[], str] = str, seconds: float = 240) -> Any:
    """What `found` gives once it gives something."""
    until = time.monotonic() + seconds
    while not (value := found()):
        if time.monotonic() > until:
            raise TimeoutError(f"no {what} within {seconds} s\n{told()[-6000:]}")
        time.sleep(0.1)
    return value


def place_with(folder: Path, source: Path, **settings: object) -> Place:
    """A place with the project's dagster.yaml, of which some settings are others (merged, one level deep)."""
    folder.mkdir()
    merged = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    for name, value in settings.items():
        merged[name] = {**merged.get(name, {}), **value} if isinstance(value, dict) else value
    (folder / "dagster.yaml").write_text(yaml.safe_dump(merged))
    return Place(source, folder)


@contextmanager
def service(place: Place, **environment: str) -> Iterator[Running]:
    """Start the service; it is stopped with the block, and nothing of it is left."""
    port = free_port()
    try:
        started = place.run("start", "--port", str(port), **environment)
        assert started.returncode == 0, started.stdout
        yield Running(place, port)
    finally:
        stopped = place.run("stop", **environment)
        assert stopped.returncode == 0, stopped.stdout
