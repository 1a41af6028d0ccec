"""What the package imports is declared, and what its commands read travels with it."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from opensky_assets import package_files

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "opensky_assets"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements):
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def imported_tops(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def test_each_import_is_declared():
    """A module that only comes with something else goes when that does."""
    extras = {name: names(given) for name, given in PROJECT["optional-dependencies"].items() if name != "dev"}
    declared = names(PROJECT["dependencies"]).union(*extras.values())
    installed = packages_distributions()
    undeclared = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        for top in imported_tops(file):
            if top in sys.stdlib_module_names or top == "opensky_assets":
                continue
            distributions = {canonicalize_name(name) for name in installed.get(top, [top])}
            if not distributions & declared:
                undeclared.setdefault(top, file.relative_to(ROOT).as_posix())
    assert not undeclared


def test_what_is_declared_is_declared_once():
    declared = [canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]]
    assert sorted(declared) == sorted(set(declared))


def test_files_are_found_beside_the_package_or_in_it(tmp_path, monkeypatch):
    assert package_files.package_path("dbt_project") == ROOT / "dbt_project"
    monkeypatch.setattr(package_files, "PACKAGE", tmp_path / "site-packages" / "opensky_assets")
    (tmp_path / "site-packages" / "dbt_project").mkdir(parents=True)  # somebody else's
    inside = package_files.PACKAGE / "dbt_project"
    inside.mkdir(parents=True)
    assert package_files.package_path("dbt_project") == inside


def test_all_that_is_versioned_of_the_folders_travels():
    """Patterns, since dbt writes its own files beside the models."""
    namespace = {"__file__": str(ROOT / "setup.py"), "__name__": "setup"}
    code = (ROOT / "setup.py").read_text().partition("\nsetup(")[0]
    exec(compile(code, "setup.py", "exec"), namespace)
    travelling = {path.as_posix() for path in namespace["travelling_files"]()}
    ignored = re.compile(r"dbt_project/(target|logs|dbt_packages)/|\.user\.yml$")
    folders = [path for folder in namespace["FOLDERS"] for path in (ROOT / folder).rglob("*") if path.is_file()]
    there = {path.relative_to(ROOT).as_posix() for path in folders}
    assert travelling - {"dagster.yaml"} == {path for path in there if not ignored.search(path)}
