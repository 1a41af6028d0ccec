"""What a day of a mart is made of, which days around it a run makes anew, and which days each model holds in a run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from opensky_assets.calendar import days_around
from opensky_assets.lake import Lake
from opensky_assets.lake.manifest import Inputs
from opensky_assets.lake.tables import snapshot_of
from opensky_assets.schemas.dbt_project import DataTest, Mart, Project
from opensky_assets.schemas.tables import Table, project
from opensky_assets.transforms.dbt_sources import tables_behind
from opensky_assets.transforms.inputs import combined, versions_of

Windows = Mapping[Table, tuple[int, int]]
"""Table → how many days of it before and after its own a day of a mart is made of."""


def windows_of(mart: Mart) -> dict[Table, tuple[int, int]]:
    """The tables that a mart is made of, through other models too, each with its days."""
    found: dict[Table, tuple[int, int]] = {}
    for source, (before, after) in project().reach_of(mart.name).items():
        for table in tables_behind(source):
            old = found.get(table, (0, 0))
            found[table] = max(old[0], before), max(old[1], after)
    return found


def neighbours_of(mart: Mart, days: Iterable[str]) -> list[str]:
    """The days of a mart, beside `days`, that are made of these too: a run over `days` makes them anew."""
    chosen = set(days)
    return sorted(set(_published(project(), mart.name, chosen)) - chosen)


def _published(project: Project, name: str, days: Iterable[str]) -> list[str]:
    """Day D is read from the days D - before … D + after, so day S has a part in S - after … S + before."""
    before, after = project.window_of(name)
    return days_around(days, after, before)


def inputs_of_mart(lake: Lake, mart: Mart, days: Iterable[str]) -> dict[str, Inputs]:
    """What each of the days of a mart is made of; days of which no table by days has anything are not in it."""
    wanted = list(days)
    windows = windows_of(mart)
    files = [table for table in windows if table.is_file and lake.exists(table.path)]
    undated = {table.path: snapshot_of(lake, table.contract) for table in files}
    dated = {table: window for table, window in windows.items() if not table.is_file}
    versions = {
        table: _versions(lake, table, sorted(_keys(table, days_around(wanted, *window))))
        for table, window in dated.items()
    }
    inputs: dict[str, Inputs] = {}
    for day in wanted:
        found = {
            f"{table.path}/{key}": versions[table][key]
            for table, window in dated.items()
            for key in _keys(table, days_around([day], *window))
            if key in versions[table]
        }
        if found:
            inputs[day] = {**found, **undated, "contract": mart.contract.version}
    return inputs


def _keys(table: Table, days: Iterable[str]) -> Collection[str]:
    """The partitions of a table that hold these days."""
    return dict.fromkeys(table.partitions.key_of(day) for day in days)


def _versions(lake: Lake, table: Table, keys: Sequence[str]) -> Mapping[str, str]:
    if table.group != "quarantine":
        return versions_of(lake, table.contract, keys)
    # Its files have the bytes and times of the objects that they came from.
    listed: dict[str, list[str]] = {}
    folders = {f"{table.path}/{table.partitions.folder_of(key)}/": key for key in keys}
    for file in lake.files.walk_folders(table.path, [table.partitions.folder_of(key) for key in keys]):
        key = next(key for folder, key in folders.items() if file.path.startswith(folder))
        listed.setdefault(key, []).append(f"{file.path} {file.bytes} {file.modified}")
    return {key: combined(sorted(files)) for key, files in listed.items()}


def files_on(lake: Lake, source: str, days: Iterable[str]) -> dict[str, list[str]]:
    """The files of a source, by its partitions, that hold `days`; of a table without days, its file."""
    (table,) = tables_behind(source)
    if table.is_file:
        return {"": [table.path]} if lake.exists(table.path) else {}
    return lake.day_files(table.path, _keys(table, days))


def days_held(project: Project, marts: Iterable[str], days: Iterable[str]) -> dict[str, list[str]]:
    """The days that each model holds whole in a run over `days` of these marts: a mart those that the run publishes of
    it, and each model those that its readers need."""
    chosen, wanted = list(days), set(marts)
    held: dict[str, set[str]] = {}
    for name in reversed(project.upstream_of(wanted)):
        model, of = project.models[name], held.setdefault(name, set())
        if name in wanted:
            of.update(_published(project, name, chosen))
        for ref in model.refs:
            held.setdefault(ref, set()).update(days_around(of, model.before, model.after))
    return {name: sorted(of) for name, of in held.items()}


def days_of_tests(project: Project, held: Mapping[str, Sequence[str]]) -> dict[DataTest, list[str]]:
    """The days that each data test of the run looks at: those that all its models hold. A test compares models, so it
    must not find days of one that another has not, or has a part of."""
    there = (test for test in project.tests if test.models and held.keys() >= set(test.models))
    return {test: sorted(set.intersection(*(set(held[name]) for name in test.models))) for test in there}
