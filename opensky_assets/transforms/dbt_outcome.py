"""What dbt is asked to do and what it says of it, as one line a mart: the model, the file, the line, what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from opensky_assets.lake import Lake
from opensky_assets.schemas.dbt_project import Project


@dataclass(frozen=True)
class DbtRun:
    """One `dbt build`: the project, the scratch database, the folder for dbt's files, the models, the marts that are
    made with parts of other days than they hold, and the data tests that look at other days than their models hold."""

    project: Path
    database: Path
    target: Path
    models: Sequence[str]
    narrow_marts: Sequence[str] = ()
    narrow_tests: Sequence[str] = ()


@dataclass(frozen=True)
class DbtTest:
    """The outcome of one dbt test: its name, the models that it is about, how many rows it found wrong, and dbt's
    words. One with severity `warn` passes. `file` and `column` are where it stands."""

    name: str
    models: tuple[str, ...]
    passed: bool
    failures: int
    message: str
    file: str = ""
    column: str | None = None
    warned: bool = False


@dataclass(frozen=True)
class DbtOutcome:
    """What became of a build: the tests, dbt's words on each model that did not build, and the models that were not
    tried since one that they read failed."""

    tests: list[DbtTest]
    broken: Mapping[str, str] = field(default_factory=dict)
    skipped: frozenset[str] = frozenset()


class DbtStopped(Exception):
    """dbt stopped before it built anything; the text is dbt's."""


RunDbt = Callable[[Lake, DbtRun], DbtOutcome]
"""Runs `dbt build` over a lake. Raises `DbtStopped`."""


def lines_of(project: Project, marts: Iterable[str], outcome: DbtOutcome) -> dict[str, str]:
    """Why each of these marts that must not be published is not."""
    found = {name: _model_line(project, name, words) for name, words in outcome.broken.items()}
    for test in outcome.tests:
        if not test.passed:
            about = [name for name in test.models if name in project.marts] or project.downstream_of(test.models)
            for name in about:
                if name in project.marts:
                    found.setdefault(name, _test_line(project, name, test))
    for name in project.models:
        read = next((ref for ref in project.models[name].refs if ref in found), None)
        if read is not None and name not in found:
            found[name] = f"{name} ({project.models[name].file}:1): was not built, since it reads {found[read]}"
    lost = outcome.skipped - found.keys()
    found |= {name: f"{name} ({project.models[name].file}:1): was skipped by dbt" for name in lost}
    return {name: found[name] for name in marts if name in found}


def _test_line(project: Project, name: str, test: DbtTest) -> str:
    mart = project.marts[name]
    place = f"{test.file}:1" if test.file.endswith(".sql") else mart.place_of(test.column or "")
    rows = f"{test.failures:,} row{'' if test.failures == 1 else 's'}"
    told = f"found {rows}" if test.failures else f"could not run: {one_line(test.message)}"
    return f"{name} ({place}): the test {test.name} {told}; nothing of the mart was published"


_MISMATCH = re.compile(r"^\s*\|\s*(\w+)\s*\|\s*(.*?)\s*\|\s*(.*?)\s*\|\s*(.*?)\s*\|\s*$", re.MULTILINE)


def _model_line(project: Project, name: str, words: str) -> str:
    model, mart = project.models[name], project.marts.get(name)
    if mart is not None and "enforced contract" in words:
        found = [row for row in _MISMATCH.findall(words) if row[0] != "column_name"]
        if found:
            told = "; ".join(_mismatch(*row) for row in found)
            return f"{name} ({mart.place_of(found[0][0])}): {told}"
    line = re.search(r"\bLINE (\d+):|\bline (\d+)\b", words)
    return f"{name} ({model.file}:{next(filter(None, line.groups())) if line else 1}): {one_line(words)}"


def _mismatch(column: str, made: str, promised: str, reason: str) -> str:
    if "missing in contract" in reason:
        return f"the column {column} is not in the YAML"
    if "missing in definition" in reason:
        return f"the column {column} of the YAML is not in the model's SQL"
    return f"the column {column} is {made}, but {promised} in the YAML"


def one_line(words: str) -> str:
    """dbt's words without the lines that say in which model and file they were said."""
    kept = [line.strip() for line in words.splitlines() if line.strip()]
    if kept and re.match(r"[A-Z]\w+ Error( in \w+ .*)?$", kept[0]) and len(kept) > 1:
        kept = kept[1:]
    return " ".join(kept)


def stop_of(project: Project, stopped: DbtStopped) -> dict[str, str]:
    """The models at which dbt stopped, each with its line. Raises `DbtStopped` where the text names none."""
    text = str(stopped)
    line = re.search(r"\bline (\d+)\b", text)
    found = {}
    for name, file in _named(project, text):
        found[name] = f"{name} ({file}:{line.group(1) if line else 1}): {one_line(text)}"
    if not found:
        raise DbtStopped(f"dbt did not run: {one_line(text)}") from None
    return found


def _named(project: Project, text: str) -> Iterator[tuple[str, str]]:
    for model in project.models.values():
        if model.file in text:
            yield model.name, model.file
    for test in project.files.tests:
        if test.file in text:
            yield from ((name, test.file) for name in test.calls.refs if name in project.models)
    for name, entry in project.files.entries.items():
        if entry.file in text and name in project.models:
            yield name, entry.file
