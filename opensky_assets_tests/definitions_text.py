"""The definitions as text, of which `definitions.txt` keeps what they should be.

    make definitions

(or `python -m opensky_assets definitions`) writes the file anew: look at its diff before you commit it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from unittest.mock import patch

import dagster as dg

SNAPSHOT = Path(__file__).with_name("definitions.txt")
RENEW = "make definitions"


def definitions_text(definitions: dg.Definitions) -> str:
    """Groups with their assets (partitions, what each is made of, checks), jobs, schedules, sensors: a line each."""
    sections = (_assets(definitions), _jobs(definitions), _schedules(definitions), _sensors(definitions))
    return "\n".join(line.rstrip() for section in sections for line in section) + "\n"


def _assets(definitions: dg.Definitions) -> Iterator[str]:
    graph = definitions.resolve_asset_graph()
    specs = sorted(definitions.resolve_all_asset_specs(), key=lambda spec: (spec.group_name or "", spec.key))
    checks = sorted(graph.asset_check_keys)
    group = None
    for spec in specs:
        if spec.group_name != group:
            group = spec.group_name
            yield f"group {group}"
        policy = graph.get(spec.key).backfill_policy
        runs = "" if policy is None else f", {policy.policy_type.value.lower().replace('_', ' ')}"
        yield f"  asset {spec.key.to_user_string()}: {_partitions(spec.partitions_def)}{runs}"
        for dep in sorted(spec.deps, key=lambda dep: dep.asset_key):
            mapping = f" by {dep.partition_mapping!r}" if dep.partition_mapping else ""
            yield f"    of {dep.asset_key.to_user_string()}{mapping}"
        for key in checks:
            if key.asset_key == spec.key:
                yield f"    check {key.name}{' (blocking)' if graph.get(key).blocking else ''}"


def _jobs(definitions: dg.Definitions) -> Iterator[str]:
    for job in sorted(definitions.resolve_all_job_defs(), key=lambda job: job.name):
        if not job.name.startswith("__"):
            yield f"job {job.name}: {_partitions(job.partitions_def)}"
            yield from _lines("of", (key.to_user_string() for key in job.asset_layer.executable_asset_keys))


def _schedules(definitions: dg.Definitions) -> Iterator[str]:
    for schedule in sorted(definitions.get_repository_def().schedule_defs, key=lambda schedule: schedule.name):
        yield (
            f"schedule {schedule.name}: {schedule.cron_schedule} {schedule.execution_timezone}, job "
            f"{schedule.job_name}, {schedule.default_status.value}"
        )


def _sensors(definitions: dg.Definitions) -> Iterator[str]:
    graph = definitions.resolve_asset_graph()
    for sensor in sorted(definitions.get_repository_def().sensor_defs, key=lambda sensor: sensor.name):
        kind, seconds = sensor.sensor_type.value.lower(), sensor.minimum_interval_seconds
        yield f"sensor {sensor.name}: {kind}, {seconds} s, {sensor.default_status.value}"
        if sensor.asset_selection is not None:
            yield from _lines("of", (key.to_user_string() for key in sensor.asset_selection.resolve(graph)))


def _partitions(partitions: dg.PartitionsDefinition | None) -> str:
    if partitions is None:
        return "no partitions"
    if isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        end = f", {partitions.end_offset:+d}" if partitions.end_offset else ""
        every = "daily" if partitions.cron_schedule == "0 0 * * *" else partitions.cron_schedule
        return f"{every} from {partitions.start:%Y-%m-%d} {partitions.timezone}{end}"
    return type(partitions).__name__


def _lines(word: str, names: Iterable[str]) -> Iterator[str]:
    yield from (f"    {word} {name}" for name in sorted(names))


@contextmanager
def _settings() -> Iterator[None]:
    """The defaults, with credentials of OpenSky's API, without which its jobs and schedules are left out."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENSKY_")}
    credentials = {"OPENSKY_CLIENT_ID": "none", "OPENSKY_CLIENT_SECRET": "none"}
    with (
        tempfile.TemporaryDirectory() as folder,
        chdir(folder),  # away from a .env
        patch.dict(os.environ, kept | credentials, clear=True),
    ):
        yield


def current_text() -> str:
    """The text of the definitions that the code makes now."""
    from opensky_assets.definitions import build_definitions
    from opensky_assets.resources.opensky import OpenSkyResource

    with _settings():
        return definitions_text(build_definitions(OpenSkyResource()))


if __name__ == "__main__":
    SNAPSHOT.write_text(current_text(), encoding="utf-8")
    print(f"{SNAPSHOT} is written anew: git diff shows what changed")
