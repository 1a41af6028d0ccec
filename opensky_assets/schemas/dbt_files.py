"""The files of a dbt project as text: YAML with its line numbers, and the names that SQL reads. Neither dbt nor Dagster
is imported: all of it takes milliseconds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LAKE = "lake"
"""The name of the dbt source that has the tables of the lake."""

_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_REF = re.compile(r"""\bref\(\s*(?:['"]\w+['"]\s*,\s*)?['"](\w+)['"]""")
_SOURCE = re.compile(r"""\bsource\(\s*['"](\w+)['"]\s*,\s*['"](\w+)['"]""")
_MACRO = re.compile(
    r"\{%-?\s*(?:macro|test|data_test)\s+(\w+)\s*\((.*?)\)\s*-?%\}(.*?)\{%-?\s*end(?:macro|test|data_test)", re.DOTALL
)
_CALL = re.compile(r"\b(\w+)\s*\(")


class Mapped(dict[str, Any]):
    """A mapping of YAML that knows its lines: `line` is its own, `lines` those of its keys."""

    line: int = 1
    lines: Mapping[str, int]

    def line_of(self, key: str) -> int:
        return self.lines.get(key, self.line)


class YamlError(ValueError):
    """A file is not YAML; `line` is where."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


def read_yaml(text: str) -> object:
    """A document whose mappings are `Mapped`. Raises `YamlError`."""
    import yaml

    loader = _loader()(text)
    try:
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(mark.line + 1 if mark else 1, str(error.problem or error.context)) from None
    except yaml.YAMLError as error:
        raise YamlError(1, " ".join(str(error).split())) from None
    finally:
        loader.dispose()


def _loader() -> Any:
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        pass

    def mapping(loader: Any, node: Any) -> Mapped:
        made = Mapped(loader.construct_mapping(node, deep=True))
        made.line = node.start_mark.line + 1
        made.lines = {str(key.value): key.start_mark.line + 1 for key, _ in node.value}
        return made

    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    return Loader


@dataclass(frozen=True)
class Calls:
    """The names that a text reads by `ref` and by `source`, each once, in order."""

    refs: tuple[str, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class SqlFile:
    """A model or a singular test: its name, its file relative to the project, and what it reads."""

    name: str
    file: str
    calls: Calls


@dataclass(frozen=True)
class YamlEntry:
    """What a YAML file says of a model."""

    file: str
    values: Mapped

    def place(self, key: str = "") -> str:
        return f"{self.file}:{self.values.line_of(key)}"


@dataclass(frozen=True)
class ProjectFiles:
    """The files of a project; `broken` has, by file, what is wrong with a YAML file."""

    folder: Path
    settings: Mapping[str, Any]
    models: tuple[SqlFile, ...] = ()
    tests: tuple[SqlFile, ...] = ()
    macros: Mapping[str, Calls] = field(default_factory=dict)
    entries: Mapping[str, YamlEntry] = field(default_factory=dict)
    sources: frozenset[tuple[str, str]] = frozenset()
    seeds: frozenset[str] = frozenset()
    broken: Mapping[str, str] = field(default_factory=dict)

    @property
    def model_folders(self) -> list[str]:
        return paths_of(self.settings, "model-paths", "models")


def paths_of(settings: Mapping[str, Any], name: str, default: str) -> list[str]:
    found = settings.get(name)
    return [str(path) for path in found] if isinstance(found, list) and found else [default]


def read_files(folder: Path) -> ProjectFiles:
    """Read a project. Files that cannot be read as YAML are in `broken`; nothing is raised for them."""
    broken: dict[str, str] = {}
    given = _document(folder, folder / "dbt_project.yml", broken)
    settings = given if isinstance(given, Mapped) else Mapped()
    texts = dict(_macro_texts(folder, settings))
    macros = {name: _calls(texts, text) for name, text in texts.items()}

    def sql_files(name: str, default: str) -> Iterator[SqlFile]:
        for path in _files(folder, paths_of(settings, name, default), ".sql"):
            if "generic" not in path.relative_to(folder).parts:
                yield SqlFile(path.stem, path.relative_to(folder).as_posix(), _calls(texts, path.read_text("utf-8")))

    entries: dict[str, YamlEntry] = {}
    sources: set[tuple[str, str]] = set()
    for path in _files(folder, paths_of(settings, "model-paths", "models"), ".yml", ".yaml"):
        document = _document(folder, path, broken)
        for model in _mappings(document, "models"):
            entries.setdefault(str(model.get("name")), YamlEntry(path.relative_to(folder).as_posix(), model))
        for source in _mappings(document, "sources"):
            sources |= {(str(source.get("name")), str(table.get("name"))) for table in _mappings(source, "tables")}
    seeds = frozenset(path.stem for path in _files(folder, paths_of(settings, "seed-paths", "seeds"), ".csv"))
    return ProjectFiles(
        folder,
        settings,
        tuple(sql_files("model-paths", "models")),
        tuple(sql_files("test-paths", "tests")),
        macros,
        entries,
        frozenset(sources),
        seeds,
        broken,
    )


def _files(folder: Path, below: list[str], *suffixes: str) -> list[Path]:
    found = (path for name in below for path in (folder / name).rglob("*"))
    return sorted(path for path in found if path.suffix in suffixes and path.is_file())


def _document(folder: Path, path: Path, broken: dict[str, str]) -> object:
    name = path.relative_to(folder).as_posix()
    try:
        return read_yaml(path.read_text("utf-8"))
    except YamlError as error:
        broken[name] = f"{name}:{error.line}: is not YAML ({error})"
    except (OSError, UnicodeDecodeError) as error:
        broken[name] = f"{name}:1: cannot be read ({error})"
    return None


def _mappings(document: object, key: str) -> Iterator[Mapped]:
    found = document.get(key) if isinstance(document, Mapped) else None
    yield from (item for item in found or () if isinstance(item, Mapped)) if isinstance(found, list) else ()


def _macro_texts(folder: Path, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    macros = _files(folder, paths_of(settings, "macro-paths", "macros"), ".sql")
    generic = [p for p in _files(folder, paths_of(settings, "test-paths", "tests"), ".sql") if "generic" in p.parts]
    for path in (*macros, *generic):
        for name, _, body in _MACRO.findall(_COMMENT.sub("", path.read_text("utf-8"))):
            yield name, body


def _calls(macros: Mapping[str, str], text: str) -> Calls:
    """What a text reads, by itself and in the macros of the project that it calls."""
    refs: dict[str, None] = {}
    sources: dict[tuple[str, str], None] = {}
    seen: set[str] = set()
    waiting = [text]
    while waiting:
        body = _COMMENT.sub("", waiting.pop())
        refs |= dict.fromkeys(_REF.findall(body))
        sources |= dict.fromkeys(_SOURCE.findall(body))
        called = {name for name in _CALL.findall(body) if name in macros} - seen
        seen |= called
        waiting += [macros[name] for name in sorted(called)]
    return Calls(tuple(refs), tuple(sources))


def refs_in(value: object) -> tuple[str, ...]:
    """The models named by `ref` anywhere in a value of YAML."""
    return tuple(dict.fromkeys(_REF.findall(str(value))))
