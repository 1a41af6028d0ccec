"""The set-up: which Python it takes, what it says without one, when it does nothing."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from opensky_assets import bootstrap

ROOT = Path(__file__).resolve().parents[2]


def test_a_python_without_venv_or_of_another_version_is_told_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, answer in (("old", "3 9 venv /usr/bin/python3.9"), ("bare", "3 11 bare /usr/bin/python3.11")):
        fake = tmp_path / name
        fake.write_text(f"#!/bin/sh\necho '{answer}'\n")
        fake.chmod(0o755)
    monkeypatch.setattr(bootstrap, "_candidates", lambda: [[str(tmp_path / n)] for n in ("old", "missing", "bare")])
    with pytest.raises(bootstrap.SetupError) as told:
        bootstrap.find_python()
    assert "/usr/bin/python3.9: Python 3.9, not supported" in str(told.value)
    assert "/usr/bin/python3.11: Python 3.11 without venv and ensurepip" in str(told.value)
    assert "apt-get install python3-venv" in str(told.value)


def test_a_named_python_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON", sys.executable)
    _, version = bootstrap.find_python()
    assert version == "{}.{}".format(*sys.version_info[:2])


def test_the_checkout_is_found_and_an_installed_package_is_none(tmp_path: Path) -> None:
    assert bootstrap.checkout_root() == ROOT
    installed = tmp_path / "site-packages" / "opensky_assets"
    installed.mkdir(parents=True)
    for name in ("__init__.py", "bootstrap.py", "console.py"):
        shutil.copy(ROOT / "opensky_assets" / name, installed)
    question = "from opensky_assets import bootstrap; print(bootstrap.checkout_root())"
    command = [sys.executable, "-S", "-c", question]
    answer = subprocess.run(command, cwd=installed.parent, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "None"


def test_the_stamp_follows_the_pins(tmp_path: Path) -> None:
    for name in ("requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    python = bootstrap.venv_python(tmp_path)
    python.parent.mkdir(parents=True)
    python.touch()
    stamp = tmp_path / bootstrap.VENV / bootstrap.STAMP
    assert not bootstrap._is_current(tmp_path)
    stamp.write_text(bootstrap.INSTALLING)
    assert not bootstrap._is_current(tmp_path)
    stamp.write_text(bootstrap._stamp_for(tmp_path))
    assert bootstrap._is_current(tmp_path)
    with (tmp_path / "requirements.txt").open("a") as pins:
        pins.write("# changed\n")
    assert not bootstrap._is_current(tmp_path)


def test_every_pin_has_a_hash_and_none_an_address() -> None:
    text = (ROOT / "requirements.txt").read_text()
    assert "://" not in text
    pins = re.findall(r"^[A-Za-z0-9].*(?:\n +--hash=.*)*", text, re.MULTILINE)
    assert len(pins) > 150
    assert [pin for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []
    assert bootstrap._uv_pin(ROOT / "requirements.txt").startswith("uv==")
    assert "--hash=sha256:" in bootstrap._uv_pin(ROOT / "requirements.txt")


def test_up_to_the_hand_over_only_the_standard_library_is_imported() -> None:
    question = "import sys, opensky_assets.__main__; print(*sys.modules)"
    command = [sys.executable, "-S", "-c", question]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    tops = {name.split(".")[0] for name in answer.stdout.split()}
    assert tops - set(sys.stdlib_module_names) - {"__main__"} == {"opensky_assets"}


def test_compiled_modules_are_kept_where_they_may_not_lie_beside_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    (tmp_path / "some.py").write_text("")
    environment = bootstrap._environment(tmp_path)
    subprocess.run([sys.executable, "-c", "import some"], cwd=tmp_path, env=environment, check=True)
    assert not (tmp_path / "__pycache__").exists()
    assert list((tmp_path / ".venv" / "pycache").rglob("some.*.pyc"))


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_the_environment_of_another_checkout_is_left_alone(tmp_path: Path) -> None:
    here, other = tmp_path / "here", tmp_path / "other" / ".venv"
    (here / "opensky_assets").mkdir(parents=True)
    code = [f"opensky_assets/{name}.py" for name in ("__init__", "__main__", "bootstrap", "console", "devtools")]
    for name in ("requirements.txt", "pyproject.toml", *code):
        shutil.copy(ROOT / name, here / name)
    (other / "bin").mkdir(parents=True)
    python = other / "bin" / "python"
    python.write_text('#!/bin/sh\necho "$@" >> called\n')
    python.chmod(0o755)
    (other / bootstrap.STAMP).write_text("the other's")
    (here / ".venv").symlink_to(other)
    command = [sys.executable, "-S", "-m", "opensky_assets", "setup"]
    answer = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False, timeout=60)
    assert answer.returncode == 1
    assert answer.stderr == (
        f"opensky-assets: {here / '.venv'} is a link to {other}, perhaps the environment of another checkout. Delete "
        "the link and run again: a new environment is made here.\n"
    )
    assert (other / bootstrap.STAMP).read_text() == "the other's" and not list(tmp_path.rglob("called"))
    assert sorted(path.name for path in other.rglob("*")) == [bootstrap.STAMP, "bin", "python"]
