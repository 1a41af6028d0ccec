"""A wheel, made by way of an sdist, works by itself: in an environment of its own, from an empty folder."""

from __future__ import annotations

import csv
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from opensky_assets_tests.commands import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(importlib.util.find_spec("uv") is None, reason="uv is not installed"),
    pytest.mark.skipif(sys.platform == "win32", reason="paths of the environment are those of POSIX"),
]

UV = [sys.executable, "-m", "uv"]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist of the checkout, and the wheel that is made of it."""
    folder = tmp_path_factory.mktemp("dist")
    copy = shutil.copytree(ROOT, folder / "checkout", ignore=_all_but_the_code)
    build = [*UV, "build", "--quiet", "--offline", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([*build, "--out-dir", str(folder), str(copy)], check=True)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def _all_but_the_code(folder: str, names: list[str]) -> list[str]:
    """What is left out: `.venv` and data. dbt's project is taken as it is after runs, whose traces must not travel."""
    kept = {"opensky_assets", "dbt_project", "requirements"} if Path(folder) == ROOT else set(names)
    return [name for name in names if name == "__pycache__" or (name not in kept and Path(folder, name).is_dir())]


@pytest.fixture(scope="module")
def program(distributions: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`opensky-assets` of an environment that has the wheel and, as pinned, what it declares to need."""
    folder = tmp_path_factory.mktemp("installed")
    venv, pins = folder / "venv", folder / "pins.txt"
    pins.write_text("\n".join(_pins_of(_needed("opensky-assets"))))
    subprocess.run([*UV, "venv", "--quiet", "--offline", "--python", sys.executable, str(venv)], check=True)
    install = [*UV, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", str(venv / "bin" / "python")]
    done = subprocess.run([*install, "--require-hashes", "-r", str(pins)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"uv has not all packages in its cache: {done.stderr.strip().splitlines()[-1]}")
    subprocess.run([*install, str(distributions[1])], check=True)
    subprocess.run([*UV, "pip", "check", "--quiet", "--python", str(venv / "bin" / "python")], check=True)
    return venv / "bin" / "opensky-assets"


def _needed(name: str) -> set[str]:
    """The packages that one declares to need, and those need, by the metadata of those that are installed here."""
    left, seen = [(name, frozenset[str]())], set()
    while left:
        package, extras = left.pop()
        if (package, extras) in seen:
            continue
        seen.add((package, extras))
        for requirement in map(Requirement, distribution(package).requires or ()):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                left.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {package for package, _ in seen} - {name}


def _pins_of(packages: set[str]) -> list[str]:
    pins = re.findall(
        r"^([A-Za-z0-9][\w.-]*)(.*(?:\n +--hash=.*)*)", (ROOT / "requirements.txt").read_text(), re.MULTILINE
    )
    return [name + rest for name, rest in pins if canonicalize_name(name) in packages]


def _run(program: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As a user without a setting would, and without what belongs to the checkout."""
    folder.mkdir(exist_ok=True)
    environment = {"PATH": os.defpath, "HOME": str(folder.parent / "home"), "LANG": "C.UTF-8"}
    return subprocess.run(
        [str(program), *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_what_commands_read_travels_and_what_runs_leave_does_not(distributions: tuple[Path, Path]) -> None:
    sdist, wheel = distributions
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    assert {
        "opensky_assets/py.typed",
        "opensky_assets/dagster.yaml",
        "opensky_assets/dbt_project/dbt_project.yml",
        "opensky_assets/dbt_project/profiles.yml",
        "opensky_assets/dbt_project/models/marts/routes.sql",
        "opensky_assets/requirements/live.txt",
        "opensky_assets/report/templates/report.html",
    } <= inside
    assert not [name for name in inside if re.search(r"dbt_project/(target|logs)/|_tests/", name)]
    assert {name.split("/")[0] for name in inside} == {"opensky_assets", wheel.name.rsplit("-", 3)[0] + ".dist-info"}
    with tarfile.open(sdist) as archive:
        members = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "requirements.txt", "setup.py", "dbt_project/dbt_project.yml"} <= members


def test_demo_and_sql_from_an_empty_folder(program: Path, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    done = _run(program, folder, "demo")
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    assert "The demo is done." in done.stdout
    answer = _run(program, folder, "sql", "SELECT day, count(*) AS flights FROM routes GROUP BY day ORDER BY day",
                  "--format", "csv")  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    rows = list(csv.DictReader(io.StringIO(answer.stdout)))
    assert [row["day"] for row in rows] == ["2022-06-25", "2022-06-26", "2022-06-27"]
    assert sorted(path.name for path in folder.iterdir()) == ["data"]
    # Nothing is written beside the installed code, which many cannot write.
    package = next(program.parents[1].glob("lib/*/site-packages/opensky_assets"))
    assert {path.suffix for path in (package / "dbt_project").rglob("*") if path.is_file()} == {".sql", ".yml"}
    assert not list(package.rglob(".user.yml"))


def test_an_extra_that_cannot_be_installed_names_the_command(program: Path, tmp_path: Path) -> None:
    """There is neither uv nor pip in the environment."""
    code = "from opensky_assets.extras import require_extra; require_extra('live')"
    done = subprocess.run(
        [str(program.with_name("python")), "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert re.search(r"ExtraError: live needs 1 package, \d+ MB, and this Python has neither uv nor pip", done.stderr)
    assert "`pip install 'opensky-assets[live]'`" in done.stderr
