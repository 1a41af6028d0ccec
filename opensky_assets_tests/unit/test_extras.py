"""Extras: what is missing of one, what is said before it is installed, and the files of pins."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from opensky_assets import bootstrap, devtools, extras

ROOT = Path(__file__).resolve().parents[2]
NAMES = devtools.extras(ROOT)


def pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9][\w.-]*)==(\S+)", path.read_text(), re.MULTILINE))


def test_each_extra_is_pinned_with_hashes_and_its_size():
    assert sorted(path.stem for path in (ROOT / "requirements").iterdir()) == sorted(NAMES)
    for name in NAMES:
        text = extras.requirements_of(name).read_text()
        assert "://" not in text
        found = re.findall(r"^[A-Za-z0-9].*(?:\n +--hash=.*)*", text, re.MULTILINE)
        assert found and all("--hash=sha256:" in pin for pin in found)
        assert extras._size_mb(name) > 0


def test_an_extra_changes_no_package_that_is_there_anyway():
    always = pins(ROOT / "requirements.txt")
    for name in NAMES:
        own = pins(extras.requirements_of(name))
        assert {package: always[package] for package in own.keys() & always} == {
            package: own[package] for package in own.keys() & always
        }


def test_no_extra_is_part_of_the_set_up():
    always = pins(ROOT / "requirements.txt").keys()
    dev = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"])
    for name in NAMES:
        assert pins(extras.requirements_of(name)).keys() - always - dev


@pytest.fixture
def pinned(tmp_path, monkeypatch):
    """A folder of pins with an extra `planets`, of two packages on this system: pip is there, the other is not."""
    text = (
        "# 41 MB when installed.\n"
        "pip==1.0 \\\n    --hash=sha256:00\n"
        "no-such-package==2.0 ; sys_platform != 'nowhere' \\\n    --hash=sha256:00\n"
        "another==2.0 ; sys_platform == 'nowhere' \\\n    --hash=sha256:00\n"
    )
    (tmp_path / "planets.txt").write_text(text)
    monkeypatch.setattr(extras, "package_path", lambda name: tmp_path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    return tmp_path


def test_what_is_missing_is_said_with_its_size_and_installed(pinned, monkeypatch, capsys):
    commands = []
    monkeypatch.setattr(subprocess, "call", lambda command, **options: commands.append(command) or 0)
    monkeypatch.setattr(bootstrap, "keep_extra", lambda root, name: commands.append(name))
    extras.require_extra("planets")
    assert capsys.readouterr().err == "opensky-assets: planets needs 1 package, 41 MB: installing…\n"
    command, kept = commands
    assert command[:2] == [sys.executable, "-m"] and kept == "planets"
    assert command[-2:] == ["-r", str(pinned / "planets.txt")] and "--require-hashes" in command


def test_nothing_is_said_or_run_where_nothing_is_missing(pinned, monkeypatch, capsys):
    (pinned / "planets.txt").write_text("# 41 MB when installed.\npip==1.0 \\\n    --hash=sha256:00\n")
    monkeypatch.setattr(subprocess, "call", None)
    extras.require_extra("planets")
    assert capsys.readouterr() == ("", "")


def test_a_refusal_names_the_command(pinned, monkeypatch):
    monkeypatch.setattr(subprocess, "call", lambda command, **options: 1)
    with pytest.raises(extras.ExtraError, match=r"planets could not be installed .*`make setup ARGS=planets`"):
        extras.require_extra("planets")
    monkeypatch.setattr(bootstrap, "checkout_root", lambda: None)
    with pytest.raises(extras.ExtraError, match=r"`pip install 'opensky-assets\[planets\]'`"):
        extras.require_extra("planets")


def test_a_python_that_others_installed_is_left_alone(pinned, monkeypatch):
    monkeypatch.setattr(extras.os, "access", lambda path, mode: False)
    monkeypatch.setattr(subprocess, "call", None)
    with pytest.raises(extras.ExtraError, match=r"planets needs 1 package, 41 MB, and .* cannot be written; by hand"):
        extras.require_extra("planets")


def test_an_extra_that_there_is_not_is_refused_with_those_that_there_are(pinned):
    with pytest.raises(extras.ExtraError, match="there is no extra 'moons'; there are planets"):
        extras.require_extra("moons")


def test_what_a_command_installed_stays_when_the_pins_change(tmp_path):
    (tmp_path / bootstrap.VENV).mkdir()
    (tmp_path / "requirements").mkdir()
    for name in ("live", "spark"):
        (tmp_path / "requirements" / f"{name}.txt").touch()
    assert bootstrap._requirements(tmp_path) == [tmp_path / "requirements.txt"]
    bootstrap.keep_extra(tmp_path, "live")
    bootstrap.keep_extra(tmp_path, "live")
    bootstrap.keep_extra(tmp_path, "gone")
    assert bootstrap._requirements(tmp_path) == [
        tmp_path / "requirements.txt",
        tmp_path / "requirements" / "live.txt",
    ]
