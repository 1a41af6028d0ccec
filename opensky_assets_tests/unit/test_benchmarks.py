"""What benchmarks/ takes from the package is there, also where a function imports it."""

import ast
import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def names_taken(file: Path) -> list[tuple[str, str]]:
    return [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("opensky_assets")
        for alias in node.names
    ]


@pytest.mark.parametrize("file", [pytest.param(file, id=file.stem) for file in sorted(FOLDER.glob("*.py"))])
def test_what_a_benchmark_imports_is_there(file: Path) -> None:
    for module, name in names_taken(file):
        assert hasattr(importlib.import_module(module), name), f"{module} has no {name}"
