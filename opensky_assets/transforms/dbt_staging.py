"""A run's own copy of the dbt project: without what cannot be built, and with the sources of this process."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from opensky_assets.schemas.dbt_project import Project
from opensky_assets.transforms.dbt_sources import SOURCES_FILE, sources_yaml

NOT_COPIED = ("target", "logs", ".git", ".user.yml")
PARSED = (".sql", ".py", ".yml", ".yaml", ".md")
"""The files that dbt looks for names in."""


def stage_project(project: Project, to: Path) -> Path:
    """Copy a project. dbt stops at the first file that is wrong, whatever models are asked for; so models that cannot
    be built are left out, with their YAML and the tests that read them."""
    source = project.folder
    shutil.copytree(source, to, ignore=shutil.ignore_patterns(*NOT_COPIED), symlinks=True)
    for sql in project.files.models:
        if sql.name not in project.models:
            (to / sql.file).unlink()
    kept = {test.place.rpartition(":")[0] for test in project.tests}
    for sql in project.files.tests:
        if sql.file not in kept:
            (to / sql.file).unlink()
    for file in project.files.broken:
        (to / file).unlink(missing_ok=True)
    for file in {entry.file for name, entry in project.files.entries.items() if name in project.problems}:
        _without_models(to / file, project)
    sources = to / project.files.model_folders[0] / SOURCES_FILE
    sources.unlink(missing_ok=True)
    sources.write_text(sources_yaml(_words(to)), encoding="utf-8")
    return to


def _words(folder: Path) -> set[str]:
    """All words of a project's files: a source that stands nowhere is none that it reads."""
    files = (path for path in folder.rglob("*") if path.suffix in PARSED and path.is_file())
    return {word for path in files for word in re.findall(r"\w+", path.read_text(encoding="utf-8", errors="replace"))}


def _without_models(path: Path, project: Project) -> None:
    import yaml

    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["models"] = [m for m in document["models"] if isinstance(m, dict) and m.get("name") in project.models]
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
