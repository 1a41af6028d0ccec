"""The tiers of tests, the steps of CI, and the habits that a checkout keeps."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from opensky_assets import devtools

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "opensky_assets_tests"
DURATIONS = json.loads((ROOT / devtools.DURATIONS).read_text())
QUICK_SECONDS = 360
"""Bound of `make test` on two idle cores."""


def test_the_quick_tests_are_within_their_bound_as_measured():
    assert devtools.seconds_of(DURATIONS, 2, slow=False) < QUICK_SECONDS


def test_files_are_spread_over_workers_and_one_file_is_never_split():
    durations = {"a": {"quick": 10.0, "slow": 50.0}, "b": {"quick": 20.0}, "c": {"services": 900.0}}
    assert devtools.seconds_of(durations, 2, slow=False) == 20
    assert devtools.seconds_of(durations, 1, slow=False) == 30
    assert devtools.seconds_of(durations, 2, slow=True) == 60


def test_durations_are_of_the_files_that_there_are():
    """What is new need not be measured at once."""
    files = {
        path.relative_to(TESTS).as_posix()
        for path in TESTS.rglob("test_*.py")
        if path.relative_to(TESTS).parts[0] not in ("services", "soak")
    }
    known = {name for name in DURATIONS if name.split("/")[0] not in ("services", "soak")}
    assert known <= files, f"gone: {known - files}"
    assert len(known) > 0.9 * len(files), "measure anew on an idle machine: make test-all ARGS=--write-durations"


@pytest.mark.parametrize(("tier", "marks"), [("test", devtools.QUICK), ("test-all", devtools.ALL)])
def test_a_tier_says_beforehand_how_long_it_takes(tier, marks, monkeypatch, capsys):
    commands = []
    monkeypatch.setattr(subprocess, "call", lambda command, **options: commands.append(command) or 0)
    assert devtools.COMMANDS[tier](ROOT, []) == 0
    assert re.fullmatch(r"(the quick|all) tests.*: about \d+ min on \d+ idle cores \(Ctrl-C ends them\)\n",
                        capsys.readouterr().out)  # fmt: skip
    assert len(commands) == 1
    assert marks in commands[0]
    assert ("--cov" in commands[0]) is (tier == "test-all")


def test_with_arguments_pytest_runs_just_these(monkeypatch, capsys):
    commands = []
    monkeypatch.setattr(subprocess, "call", lambda command, **options: commands.append(command) or 0)
    devtools.test(ROOT, ["-k", "name"])
    assert commands == [[sys.executable, "-m", "pytest", "-k", "name"]]
    assert capsys.readouterr().out == ""


def ci_steps():
    (names,) = re.findall(r"^all_steps=\((.*)\)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    return names.split()


def test_the_workflow_to_copy_has_the_steps_of_ci():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    commands = [step["run"] for step in workflow["jobs"]["ci"]["steps"] if "run" in step]
    assert commands == [f".ci/run {name}" for name in ci_steps()]


def test_each_step_of_ci_is_one_of_its_functions_or_a_target_of_make():
    script, makefile = (ROOT / ".ci" / "run").read_text(), (ROOT / "Makefile").read_text()
    (targets,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    functions = re.findall(r"^([\w-]+)\(\) \{$", script, re.MULTILINE)
    assert set(ci_steps()) <= {*functions, *targets.split()}
    assert {"lint", "test-all", "test-services"} <= set(ci_steps())


def test_targets_of_make_are_commands():
    (targets,) = re.findall(r"^(demo .*):$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(targets.split()) - {"demo", "dev"} == devtools.COMMANDS.keys()


def test_a_step_that_there_is_not_is_refused():
    done = subprocess.run([ROOT / ".ci" / "run", "moons"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"there is no step moons: {' '.join(ci_steps())}\n"


def test_hooks_are_local_and_fetch_nothing():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    for repository in config["repos"]:
        assert repository["repo"] == "local"
        assert all(hook["language"] == "system" for hook in repository["hooks"])


def test_the_citation_names_the_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert f'version = "{citation["version"]}"' in (ROOT / "pyproject.toml").read_text()
    assert citation["license"] == "MIT" and (ROOT / "LICENSE").read_text().startswith("MIT License")
