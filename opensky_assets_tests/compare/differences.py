"""Pure comparisons of texts, values and lakes: what differs, the first differences in words."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

SHOWN = 5
"""Differences that a line shows; the others are counted."""

MASKS: tuple[tuple[str, str, str], ...] = (
    (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "RUN", "ids of runs are random"),
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d+\S*", "NOW", "no row of a source has fractions of seconds: it is a clock"),
    (r"(?m)^time +\d+ s$", "time T s", "how long a command took"),
    (r"\b\d+ s, about \d+ s left", "T s, about T s left", "how long a run took"),
    (r"0x[0-9a-f]{6,}", "0xADDRESS", "addresses of objects of Python"),
)
"""Patterns of texts that differ between two runs of the same code, what stands for them, and why."""

OTHERS_LINES = re.compile(
    r"Running with dbt|Registered adapter|Unable to do partial parsing|Found \d+ models|Concurrency:|\d+ of \d+ "
    r"(START|OK|PASS|WARN|ERROR|SKIP)|Finished running|Completed |Done\. PASS|\d\d:\d\d:\d\d "
    r"|[\d,]+ of [\d,]+ objects, .* s left$"
)
"""Lines of dbt, in the order of its threads and with its times; and of progress, which are told by the clock."""

FOLLOW_BYTES = {
    "bytes": "the size of a file",
    "version": "a digest of a day's files",
    "inputs": "versions of days and tables, which are digests of their files",
}
"""Fields of manifests and records that follow from the bytes of files; left out only where those differ."""

VOLATILE: dict[str, str] = {}
"""Fields of manifests and records that hold times or ids of runs: none does."""


@dataclass(frozen=True)
class Comparison:
    """What was compared, how many things, and how they differ."""

    name: str
    compared: int
    differences: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Where nothing was compared, nothing was shown to be equal."""
        return self.compared > 0 and not self.differences

    def lines(self) -> list[str]:
        if self.is_equal:
            return [f"ok         {self.name} ({self.compared:,} compared)"]
        if not self.differences:
            return [f"DIFFERENT  {self.name}: nothing to compare"]
        more = len(self.differences) - SHOWN
        shown = [f"             {text}" for text in self.differences[:SHOWN]]
        head = f"DIFFERENT  {self.name}: {len(self.differences):,} differences in {self.compared:,} compared"
        return [head, *shown, *([f"             and {more:,} more"] if more > 0 else [])]


# --- texts and values ----------------------------------------------------------------------------------------------


def mask(text: str, folders: Mapping[str, str] | None = None) -> str:
    """The text without what differs between two runs of the same code; `folders` are paths and their stand-ins."""
    for folder, name in sorted((folders or {}).items(), key=lambda pair: -len(pair[0])):
        text = re.sub(re.escape(folder) + r"(?![\w-])", name, text)
    for pattern, stand_in, _ in MASKS:
        text = re.sub(pattern, stand_in, text)
    return text


def own_lines(text: str) -> str:
    """The lines of a command without blank ones, those of dbt and of progress."""
    return "\n".join(line for line in text.splitlines() if line.strip() and not OTHERS_LINES.match(line.strip()))


def compare_texts(name: str, before: str, after: str) -> Comparison:
    """Line by line."""
    old, new = before.splitlines(), after.splitlines()
    changes = (line for line in difflib.unified_diff(old, new, lineterm="", n=0) if line[:2] not in ("--", "++", "@@"))
    return Comparison(name, max(len(old), len(new)), tuple(f"{line[0]} {line[1:]}" for line in changes))


def compare_values(name: str, before: Any, after: Any) -> Comparison:
    """Leaf by leaf of what JSON can hold."""
    old, new = _leaves(before), _leaves(after)
    differences = [
        f"{path or 'value'}: {_shown(old, path)} before, {_shown(new, path)} after"
        for path in [*old, *(path for path in new if path not in old)]
        if path not in old or path not in new or old[path] != new[path] or type(old[path]) is not type(new[path])
    ]
    return Comparison(name, max(len(old), len(new)), tuple(differences))


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Path → value of each leaf; an empty list or mapping is a leaf too."""
    if isinstance(value, Mapping) and value:
        pairs: Iterable[tuple[str, Any]] = ((f"{path}.{key}".lstrip("."), item) for key, item in value.items())
    elif isinstance(value, list) and value:
        pairs = ((f"{path}[{number}]", item) for number, item in enumerate(value))
    else:
        return {path: value}
    return {leaf: item for inner, part in pairs for leaf, item in _leaves(part, inner).items()}


def _shown(leaves: Mapping[str, Any], path: str) -> str:
    if path not in leaves:
        return "absent"
    text = repr(leaves[path])
    return text if len(text) <= 160 else f"{text[:157]}..."


# --- files of a lake -----------------------------------------------------------------------------------------------


def compare_bytes(name: str, before: Path, after: Path, top: str, suffix: str = "") -> Comparison:
    """The files below `top` of two lakes: the same paths with the same bytes."""
    old, new = files_below(before, top, suffix), files_below(after, top, suffix)
    both = [path for path in old if path in new]
    changed = [f"{path}: other bytes" for path in both if old[path].read_bytes() != new[path].read_bytes()]
    return Comparison(name, len({*old, *new}), (*_paths_apart(old, new), *changed))


def compare_rows(name: str, before: Path, after: Path, top: str) -> Comparison:
    """The Parquet files below `top` of two lakes: the same paths, schemas, footers and rows, these in any order."""
    old, new = files_below(before, top, ".parquet"), files_below(after, top, ".parquet")
    differences = _paths_apart(old, new)
    for path in old:
        if path in new and old[path].read_bytes() != new[path].read_bytes():
            differences += [f"{path}: {text}" for text in parquet_differences(old[path], new[path])]
    return Comparison(name, len({*old, *new}), tuple(differences))


def parquet_differences(before: Path, after: Path) -> list[str]:
    """How two Parquet files differ, but for the order of their rows and how they are encoded."""
    facts = []
    for words, path in (("before", before), ("after", after)):
        try:
            facts.append(_facts(pq.read_schema(path)))
        except (pa.ArrowInvalid, OSError) as error:
            return [f"does not read {words}: {error}"]
    differences = list(compare_values("facts", *facts).differences)
    if facts[0]["columns"] != facts[1]["columns"] or facts[0]["order"] != facts[1]["order"]:
        return differences
    with duckdb.connect() as duck:
        for words, pair in (("only before", (before, after)), ("only after", (after, before))):
            lost = duck.execute(
                "SELECT * FROM read_parquet(?, hive_partitioning = false) "
                "EXCEPT ALL SELECT * FROM read_parquet(?, hive_partitioning = false)",
                [path.as_posix() for path in pair],
            ).fetchall()
            if lost:
                differences.append(f"{len(lost):,} rows {words}, the first {str(lost[0])[:200]}")
    return differences


def _facts(schema: pa.Schema) -> dict[str, Any]:
    """Columns by name, their order, and the footer's own keys."""
    return {
        "columns": {f.name: f"{f.type}{'' if f.nullable else ' not null'} {f.metadata or ''}".strip() for f in schema},
        "order": list(schema.names),
        "footer": {key.decode(): value.decode(errors="replace") for key, value in (schema.metadata or {}).items()},
    }


def compare_records(name: str, before: Path, after: Path, same_bytes: bool) -> Comparison:
    """Manifests, records of held objects and of days; where files have other bytes, without what follows from these."""
    left_out = {*VOLATILE, *(() if same_bytes else FOLLOW_BYTES)}
    old, new = _records(before, left_out), _records(after, left_out)
    return Comparison(name, len({*old, *new}), compare_values(name, old, new).differences)


def _records(lake: Path, left_out: Iterable[str]) -> dict[str, Any]:
    found = files_below(lake, "_manifest", ".json")
    return {path: _without(json.loads(file.read_text()), set(left_out)) for path, file in found.items()}


def _without(value: Any, names: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(item, names) for key, item in value.items() if key not in names}
    return [_without(item, names) for item in value] if isinstance(value, list) else value


def compare_pages(
    name: str, before: Path, after: Path, folders: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {})
) -> Comparison:
    """The pages of reports with times and paths masked, their charts by their bytes."""
    old, new = files_below(before, "reports"), files_below(after, "reports")
    differences = _paths_apart(old, new)
    for path in old:
        if path not in new or old[path].read_bytes() == new[path].read_bytes():
            continue
        if path.endswith(".html"):
            texts = [mask(page[path].read_text(), given) for page, given in zip((old, new), folders, strict=True)]
            differences += [f"{path}: {text[:200]}" for text in compare_texts(path, *texts).differences]
        else:
            differences.append(f"{path}: other bytes")
    return Comparison(name, len({*old, *new}), tuple(differences))


def files_below(lake: Path, top: str, suffix: str = "") -> dict[str, Path]:
    """Path relative to the lake → file, without locks."""
    found = (path for path in sorted((lake / top).rglob("*")) if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(lake).as_posix(): path for path in found if path.name.endswith(suffix)}


def _paths_apart(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    gone = [f"{path}: only before" for path in old if path not in new]
    return gone + [f"{path}: only after" for path in new if path not in old]
