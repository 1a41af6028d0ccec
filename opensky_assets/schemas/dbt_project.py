"""The dbt project of the marts, read without dbt: a model below `models/marts` is a mart, whose YAML is its contract.

A model that is wrong is left out with one line that names it, its file and the line; the others are as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa

from opensky_assets.schemas.contract import Column, Contract
from opensky_assets.schemas.dbt_files import LAKE, Mapped, ProjectFiles, SqlFile, YamlEntry, refs_in
from opensky_assets.schemas.types import TYPES

MARTS = "marts"
"""The folder of the models that are published."""

COUNTS = "counts"
"""The one source that is no table: what manifests and records count, by day (`transforms/counts.py`)."""

_ALIASES = {
    "text": "VARCHAR",
    "string": "VARCHAR",
    "bool": "BOOLEAN",
    "int": "INTEGER",
    "int4": "INTEGER",
    "long": "BIGINT",
    "int8": "BIGINT",
    "short": "SMALLINT",
    "int2": "SMALLINT",
    "real": "FLOAT",
    "float4": "FLOAT",
    "float8": "DOUBLE",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "datetime": "TIMESTAMP",
}
"""Other names that DuckDB has for the types of the map."""

_TYPES = {row.duckdb: row.arrow for row in TYPES}

Reach = Mapping[str, tuple[int, int]]
"""Source → how many days before and after its own a row's day is made of."""


class ModelError(ValueError):
    """What is wrong with a model, as one line."""


@dataclass(frozen=True)
class Model:
    """A model: what it reads, and from how many days around its own."""

    name: str
    file: str
    description: str
    sources: tuple[str, ...]
    """The tables of the lake, and `counts`, that it reads by itself."""
    refs: tuple[str, ...]
    before: int = 0
    after: int = 0


@dataclass(frozen=True)
class Mart:
    """A model that is published by day."""

    model: Model
    contract: Contract
    day: str
    """What the day is the day of, for people."""
    entry: YamlEntry

    @property
    def name(self) -> str:
        return self.model.name

    def place_of(self, column: str) -> str:
        """Where the YAML describes a column; the model itself where it does not."""
        for found in self.entry.values.get("columns") or ():
            if isinstance(found, Mapped) and found.get("name") == column:
                return f"{self.entry.file}:{found.line}"
        return self.entry.place()


@dataclass(frozen=True)
class DataTest:
    """A data test: where it stands, the models that it reads, and what it reads of the lake by itself. The name of a
    generic one is followed by its model's: all its uses there are one."""

    name: str
    place: str
    models: tuple[str, ...]
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Project:
    """A dbt project. `models` has all that can be built, what a model reads first; `problems` one line a model that
    cannot."""

    folder: Path
    files: ProjectFiles
    models: Mapping[str, Model]
    marts: Mapping[str, Mart]
    tests: tuple[DataTest, ...]
    problems: Mapping[str, str]

    @property
    def staging(self) -> list[Model]:
        """The models that are not published."""
        return [model for name, model in self.models.items() if name not in self.marts]

    @property
    def broken_marts(self) -> list[str]:
        """The marts that cannot be built, by name."""
        return sorted({sql.name for sql in self.files.models if _is_mart(self.files, sql)} & self.problems.keys())

    def reach_of(self, name: str) -> Reach:
        """What a model reads of the lake, through others too."""
        model, found = self.models[name], dict[str, tuple[int, int]]()
        reaches = [{source: (0, 0) for source in model.sources}, *(self.reach_of(ref) for ref in model.refs)]
        for reach in reaches:
            for source, (before, after) in reach.items():
                old = found.get(source, (0, 0))
                found[source] = max(old[0], before + model.before), max(old[1], after + model.after)
        return found

    def window_of(self, name: str) -> tuple[int, int]:
        """The most days before and after its own that a model reads, of any table."""
        reach = self.reach_of(name).values()
        return max((before for before, _ in reach), default=0), max((after for _, after in reach), default=0)

    def upstream_of(self, names: Iterable[str]) -> list[str]:
        """These models and all that they read; what is read comes first."""
        wanted, waiting = set[str](), list(names)
        while waiting:
            if (name := waiting.pop()) not in wanted:
                wanted.add(name)
                waiting += self.models[name].refs
        return [name for name in self.models if name in wanted]

    def downstream_of(self, names: Iterable[str]) -> list[str]:
        """These models and all that read them."""
        found = set(names)
        for model in self.models.values():
            if not found.isdisjoint(model.refs):
                found.add(model.name)
        return [name for name in self.models if name in found]

    def without(self, problems: Mapping[str, str]) -> Project:
        """The project without these models, and without those that read them."""
        return _checked(replace(self, problems={**self.problems, **problems}))

    def variable(self, name: str) -> object:
        """A variable of `dbt_project.yml`."""
        found = self.files.settings.get("vars")
        return found.get(name) if isinstance(found, Mapped) else None


def read_project(files: ProjectFiles, tables: Collection[str]) -> Project:
    """The project of these files; `tables` are those of the lake, by their names in SQL."""
    problems: dict[str, str] = {}
    models: dict[str, Model] = {}
    marts: dict[str, Mart] = {}
    if trouble := files.broken.get("dbt_project.yml"):
        files = replace(files, models=(), tests=())
        problems["dbt_project"] = trouble
    order = {name: place for place, name in enumerate(files.entries)}
    for sql in sorted(files.models, key=lambda sql: (order.get(sql.name, len(order)), sql.name)):
        try:
            if sql.name in models or sql.name in problems:
                raise ModelError(f"{sql.name} ({sql.file}:1): there is another model of this name")
            model = _model(files, sql, tables)
            if _is_mart(files, sql):
                marts[sql.name] = _mart(files, model, tables)
            models[sql.name] = model
        except ModelError as error:
            problems[sql.name] = str(error)
    return _checked(Project(files.folder, files, models, marts, tuple(_tests(files)), problems))


def _is_mart(files: ProjectFiles, sql: SqlFile) -> bool:
    return any(sql.file.startswith(f"{folder}/{MARTS}/") for folder in files.model_folders)


# --- Models -------------------------------------------------------------------------------------------------------


def _model(files: ProjectFiles, sql: SqlFile, tables: Collection[str]) -> Model:
    entry = files.entries.get(sql.name)
    sources = []
    for source, table in sql.calls.sources:
        if source != LAKE:
            if (source, table) not in files.sources:
                raise ModelError(f"{sql.name} ({_line_of(files, sql, table)}): there is no source {source}.{table}")
        elif table != COUNTS and table not in tables:
            raise ModelError(f"{sql.name} ({_line_of(files, sql, table)}): {_unknown(files, table, tables)}")
        else:
            sources.append(table)
    before, after = _reads(sql.name, entry) if entry else (0, 0)
    described = str(entry.values.get("description") or "") if entry else ""
    refs = tuple(ref for ref in sql.calls.refs if ref not in files.seeds)
    return Model(sql.name, sql.file, described.strip(), tuple(sources), refs, before, after)


def _unknown(files: ProjectFiles, table: str, tables: Collection[str]) -> str:
    if any(sql.name == table for sql in files.models):
        return f"{table} is a model: read it by ref('{table}')"
    return f"the lake has no table {table}; there are {', '.join(sorted(tables))} and {COUNTS}"


def _line_of(files: ProjectFiles, sql: SqlFile, text: str) -> str:
    """Where a name stands in a model's SQL."""
    lines = (files.folder / sql.file).read_text("utf-8").splitlines()
    found = (number for number, line in enumerate(lines, 1) if f"'{text}'" in line or f'"{text}"' in line)
    return f"{sql.file}:{next(found, 1)}"


def _meta(values: Mapped) -> Mapped:
    """The `meta` of a model or column: below `config`, as dbt writes it now, or beside it."""
    config = values.get("config")
    for holder in (config, values):
        if isinstance(holder, Mapped) and isinstance(found := holder.get("meta"), Mapped):
            return found
    empty = Mapped()
    empty.line, empty.lines = values.line, {}
    return empty


def _reads(name: str, entry: YamlEntry) -> tuple[int, int]:
    meta = _meta(entry.values)
    reads = meta.get("reads")
    if reads is None:
        return 0, 0
    place = f"{entry.file}:{meta.line_of('reads')}"
    known = {"days_before", "days_after"}
    if not isinstance(reads, Mapped) or not reads.keys() <= known:
        raise ModelError(f"{name} ({place}): reads must have days_before, days_after, or both")
    for key, days in reads.items():
        if isinstance(days, bool) or not isinstance(days, int) or not 0 <= days <= 366:
            raise ModelError(f"{name} ({place}): reads.{key} must be a number of days from 0 to 366, got {days!r}")
    return reads.get("days_before", 0), reads.get("days_after", 0)


# --- Marts --------------------------------------------------------------------------------------------------------


def _mart(files: ProjectFiles, model: Model, tables: Collection[str]) -> Mart:
    entry = files.entries.get(model.name)
    if entry is None:
        because = f": {'; '.join(files.broken.values())}" if files.broken else ", in a .yml file beside it"
        raise ModelError(f"{model.name} ({model.file}:1): has no YAML; describe its columns{because}")
    values, meta = entry.values, _meta(entry.values)

    def wrong(key: str, text: str, where: Mapped = values) -> ModelError:
        return ModelError(f"{model.name} ({entry.file}:{where.line_of(key)}): {text}")

    if model.name in tables:
        raise wrong("name", "the lake has a table of this name; give the model another one")
    if not model.description:
        raise wrong("name", "has no description")
    given = values.get("columns")
    columns = [column for column in given if isinstance(column, Mapped)] if isinstance(given, list) else []
    day = next((column for column in columns if column.get("name") == "day"), None)
    if day is None:
        raise wrong("columns", "has no column day: a mart is published by day; its type is date, and it is never empty")
    if str(day.get("data_type")).lower() != "date" or not _is_required(day):
        raise wrong("name", "day must be of the type date with the constraint not_null", day)
    contract = Contract(
        name=model.name,
        path=f"marts/{model.name}",
        version=str(meta.get("version", "1")),
        description=model.description,
        columns=tuple(_column(column, wrong) for column in columns if column is not day),
        key=_key(columns, meta, wrong),
    )
    return Mart(model, contract, str(meta.get("day") or "the rows"), entry)


Wrong = Callable[..., ModelError]


def _key(columns: list[Mapped], meta: Mapped, wrong: Wrong) -> tuple[str, ...]:
    key, names = meta.get("key"), [str(column.get("name")) for column in columns]
    if not isinstance(key, list) or not key:
        raise wrong("key", "meta has no key: the columns that, beside day, tell the rows apart", meta)
    if unknown := [name for name in key if name not in names or name == "day"]:
        raise wrong("key", f"the key has no column {', '.join(map(str, unknown))}; there are {', '.join(names)}", meta)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise wrong("columns", f"the column {twice} is there twice")
    return tuple(key)


def _column(given: Mapped, wrong: Wrong) -> Column:
    name, text = str(given.get("name") or ""), str(given.get("data_type") or "")
    if not name or not given.get("description"):
        raise wrong("name", f"the column {name or '…'} has no {'description' if name else 'name'}", given)
    bounds = dict(_bounds(given))
    return Column(
        name,
        _type(name, text, given, wrong),
        str(given["description"]).strip(),
        unit=_meta(given).get("unit"),
        nullable=not _is_required(given),
        minimum=bounds.get("at_least"),
        maximum=bounds.get("at_most"),
    )


def _type(name: str, text: str, given: Mapped, wrong: Wrong) -> pa.DataType:
    base = text.removesuffix("[]").strip().lower()
    found = _TYPES.get(_ALIASES.get(base, base.upper()))
    if found is None:
        problem = f"has the type {text}" if text else "has no data_type"
        raise wrong("data_type", f"the column {name} {problem}; the types are {', '.join(_TYPES).lower()}", given)
    return pa.list_(found) if text.endswith("[]") else found


def _is_required(given: Mapped) -> bool:
    constraints = [item.get("type") for item in given.get("constraints") or () if isinstance(item, Mapped)]
    return "not_null" in constraints or any(name == "not_null" for name, _ in _tests_in(given))


def _bounds(given: Mapped) -> Iterator[tuple[str, float]]:
    for name, arguments in _tests_in(given):
        value = arguments.get("value")
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, value


# --- Tests --------------------------------------------------------------------------------------------------------


def _tests_in(given: Mapped) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The names and arguments of the data tests of a model or a column."""
    for item in [*(given.get("data_tests") or ()), *(given.get("tests") or ())]:
        if isinstance(item, str):
            yield item, {}
        elif isinstance(item, Mapped) and item:
            name = next(iter(item))
            arguments = item[name] if isinstance(item[name], Mapped) else Mapped()
            inner = arguments.get("arguments")
            yield name, {**arguments, **inner} if isinstance(inner, Mapped) else arguments


def _tests(files: ProjectFiles) -> Iterator[DataTest]:
    for sql in files.tests:
        sources = tuple(table for source, table in sql.calls.sources if source == LAKE)
        yield DataTest(sql.name, f"{sql.file}:1", sql.calls.refs, sources)
    for model, entry in files.entries.items():
        holders = [entry.values, *(c for c in entry.values.get("columns") or () if isinstance(c, Mapped))]
        for holder in holders:
            for name, arguments in _tests_in(holder):
                macro = files.macros.get(name) or files.macros.get(f"test_{name}")
                refs = dict.fromkeys((model, *refs_in(arguments), *(macro.refs if macro else ())))
                sources = tuple(table for source, table in macro.sources if source == LAKE) if macro else ()
                yield DataTest(f"{name}_{model}", f"{entry.file}:{holder.line}", tuple(refs), sources)


# --- The project as a whole ---------------------------------------------------------------------------------------


def _checked(project: Project) -> Project:
    """The project without the models that read what cannot be built, or themselves, each with its line."""
    files, problems = project.files, dict(project.problems)
    places = {sql.name: sql for sql in files.models}
    left = {name: model for name, model in project.models.items() if name not in problems}

    def leave_out(name: str, read: str, text: str) -> None:
        problems[name] = f"{name} ({_line_of(files, places[name], read)}): {text}"
        del left[name]

    while True:
        lost = ((name, ref) for name, model in left.items() for ref in model.refs if ref not in left)
        if found := next(lost, None):
            name, ref = found
            because = f"which cannot be built: {problems[ref]}" if ref in problems else "which is not there"
            leave_out(name, ref, f"reads the model {ref}, {because}")
            continue
        try:
            order = list(TopologicalSorter({name: model.refs for name, model in left.items()}).static_order())
        except CycleError as error:
            circle = list(reversed(error.args[1]))
            for name, ref in pairwise(circle):
                leave_out(name, ref, f"reads itself: {' → '.join(circle)}")
            continue
        models = {name: left[name] for name in order}
        empty = [name for name in project.marts if name in models and not _reads_lake(models, name)]
        if not empty:
            break
        for name in empty:
            leave_out(name, "", "reads no table of the lake")
    marts = {name: mart for name, mart in project.marts.items() if name in models}
    tests = tuple(test for test in project.tests if all(model in models for model in test.models))
    return replace(project, models=models, marts=marts, tests=tests, problems=problems)


def _reads_lake(models: Mapping[str, Model], name: str) -> bool:
    return bool(models[name].sources) or any(_reads_lake(models, ref) for ref in models[name].refs)
