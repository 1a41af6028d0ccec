"""Runs in a process of a checkout's own Python: definitions, looks of the sensor and history, as JSON.

`python -P child.py ANSWERS < TASKS`: a list of tasks is read, their answers are written to the file ANSWERS. A task is
`{"do": "definitions" | "look" | "history", "environment": {…}, …}`. Nothing but Dagster and the entry
`opensky_assets.definitions.defs` is imported, so that it runs in any version of the project.
"""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

COLUMNS = "dagster/column_schema"
CODE_REFERENCES = "dagster/code_references"
"""Paths and lines of the code, which a change may move."""


def load() -> dg.Definitions:
    from opensky_assets.definitions import defs

    return defs()


def definitions(task: Mapping[str, Any]) -> dict[str, Any]:
    """All definitions of the environment, by kind and name."""
    made = load()
    repository = made.get_repository_def()
    graph = made.resolve_asset_graph()
    specs = {spec.key.to_user_string(): spec for spec in made.resolve_all_asset_specs()}
    return {
        "assets": {name: asset(spec, graph.get(spec.key)) for name, spec in specs.items()},
        "columns": {name: columns(spec.metadata[COLUMNS]) for name, spec in specs.items() if COLUMNS in spec.metadata},
        "checks": {
            f"{key.asset_key.to_user_string()} {key.name}": check(graph.get(key)) for key in graph.asset_check_keys
        },
        "pools": {key.to_user_string(): sorted(graph.get(key).pools or ()) for key in graph.materializable_asset_keys},
        "jobs": {job.name: job_facts(job) for job in repository.get_all_jobs()},
        "schedules": {
            schedule.name: {
                "cron": schedule.cron_schedule,
                "timezone": schedule.execution_timezone,
                "status": schedule.default_status.value,
                "job": schedule.job_name,
                "description": schedule.description,
            }
            for schedule in repository.schedule_defs
        },
        "sensors": {
            sensor.name: {
                "type": sensor.sensor_type.value,
                "interval": sensor.minimum_interval_seconds,
                "status": sensor.default_status.value,
                "description": sensor.description,
                "targets": sorted(selected(sensor.asset_selection, graph)),
            }
            for sensor in repository.sensor_defs
        },
        "resources": sorted(repository.get_top_level_resources()),
    }


def asset(spec: dg.AssetSpec, node: Any) -> dict[str, Any]:
    return {
        "deps": {dep.asset_key.to_user_string(): text(dep.partition_mapping) for dep in spec.deps},
        "partitions": text(spec.partitions_def),
        "backfill_policy": text(node.backfill_policy),
        "group": spec.group_name,
        "owners": list(spec.owners or ()),
        "kinds": sorted(spec.kinds),
        "tags": dict(spec.tags),
        "code_version": spec.code_version,
        "description": spec.description,
        "automation": text(spec.automation_condition),
        "freshness": text(spec.freshness_policy),
        "io_manager": node.io_manager_key if node.is_materializable else None,
        "metadata": {
            name: text(value) for name, value in spec.metadata.items() if name not in (COLUMNS, CODE_REFERENCES)
        },
    }


def columns(schema: Any) -> dict[str, Any]:
    schema = getattr(schema, "schema", schema)
    return {
        column.name: [place, column.type, column.description, text(column.constraints)]
        for place, column in enumerate(schema.columns)
    }


def check(node: Any) -> dict[str, Any]:
    return {
        "description": node.description,
        "blocking": node.blocking,
        "partitions": text(node.partitions_def),
        "of": sorted(key.to_user_string() for key in node.parent_entity_keys),
        "metadata": {name: text(value) for name, value in (node.metadata or {}).items()},
    }


def job_facts(job: dg.JobDefinition) -> dict[str, Any]:
    return {
        "description": job.description,
        "tags": dict(job.tags),
        "partitions": text(job.partitions_def),
        "assets": sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys),
        "nodes": sorted(node.name for node in job.nodes),
        "executor": job.executor_def.name,
    }


def selected(selection: dg.AssetSelection | None, graph: Any) -> set[str]:
    return {key.to_user_string() for key in selection.resolve(graph)} if selection is not None else set()


def text(value: object) -> str | None:
    """A value without the addresses of objects of Python, which differ from process to process."""
    return None if value is None else re.sub(r"0x[0-9a-f]{6,}", "0xADDRESS", repr(value))


def look(task: Mapping[str, Any]) -> dict[str, Any]:
    """One evaluation of the sensor of arrivals, from `cursor`."""
    repository = load().get_repository_def()
    home = Path(os.environ["DAGSTER_HOME"])
    instance = dg.DagsterInstance.get() if (home / "history").is_dir() else dg.DagsterInstance.ephemeral()
    with dg.build_sensor_context(
        instance=instance,
        cursor=task.get("cursor"),
        repository_def=repository,
        resources=dict(repository.get_top_level_resources()),
    ) as context:
        done = repository.get_sensor_def("arrivals").evaluate_tick(context)
    return {
        "requests": [
            {
                "run_key": request.run_key,
                "assets": sorted(key.to_user_string() for key in request.asset_selection or ()),
                "tags": dict(request.tags),
                "partition": request.partition_key,
            }
            for request in done.run_requests or ()
        ],
        "skip": done.skip_message,
        "cursor": done.cursor,
    }


def history(task: Mapping[str, Any]) -> dict[str, Any]:
    """How the runs ended; of each asset's partitions the newest materialization's rows and names of metadata."""
    instance = dg.DagsterInstance.get()
    runs = instance.get_runs()
    found: dict[str, Any] = {}
    for key in sorted(load().resolve_all_asset_keys(), key=lambda key: key.to_user_string()):
        newest: dict[str, Any] = {}
        for record in instance.fetch_materializations(key, limit=5000).records:
            made = record.asset_materialization
            if made is not None and (made.partition or "") not in newest:
                rows = {name: made.metadata[name].value for name in made.metadata if name.endswith("row_count")}
                newest[made.partition or ""] = {"rows": rows, "metadata": sorted(made.metadata)}
        found[key.to_user_string()] = newest
    return {"runs": len(runs), "statuses": [run.status.value for run in runs], "assets": found}


TASKS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "definitions": definitions,
    "look": look,
    "history": history,
}


def main() -> None:
    warnings.simplefilter("ignore")
    answers = []
    given = dict(os.environ)
    for task in json.load(sys.stdin):
        os.environ.clear()
        os.environ.update(given | task.get("environment", {}))
        answers.append(TASKS[task["do"]](task))
    Path(sys.argv[1]).write_text(json.dumps(answers))


if __name__ == "__main__":
    main()
