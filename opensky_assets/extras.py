"""Optional packages ("extras"): what is missing of one, and installing it for the command that needs it.

The packages of each are pinned with hashes in `requirements/<extra>.txt`, which `make pins` writes; its first line has
the size. They come beside those that the package always needs, so nothing that is installed changes.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from opensky_assets import bootstrap
from opensky_assets.console import announce
from opensky_assets.package_files import package_path
from opensky_assets.wording import plural


class ExtraError(Exception):
    """An extra could not be installed; the text names it and the command that installs it."""


def require_extra(name: str) -> None:
    """Install the packages of an extra that are missing, after a line that says how many and how large they are.

    For commands, before they import what they need; where nothing is missing it takes a millisecond a package. Raises
    `ExtraError` where it cannot be installed; what pip or uv says is on standard error.
    """
    if not missing_packages(name):
        return
    if not os.access(sys.prefix, os.W_OK):
        raise ExtraError(f"{_needs(name)}, and {sys.prefix} cannot be written; by hand: {install_command(name)}")
    with bootstrap.lock(Path(sys.prefix) / f"{bootstrap.EXTRAS}.lock", f"installing {name}"):
        if missing_packages(name):
            _install(name)
    importlib.invalidate_caches()


def missing_packages(name: str) -> list[str]:
    """The packages of an extra that this Python does not have, of those that this system needs."""
    return [package.name for package in _pins(name) if not _is_installed(package.name)]


def requirements_of(name: str) -> Path:
    """The pins of an extra. Raises `ExtraError` where there is no such extra."""
    folder = package_path("requirements")
    path = folder / f"{name}.txt"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in folder.glob("*.txt")))
        raise ExtraError(f"there is no extra {name!r}; there are {names}")
    return path


def _pins(name: str) -> list[Requirement]:
    lines = re.findall(r"^[A-Za-z0-9][^\\\n]*", requirements_of(name).read_text(encoding="utf-8"), re.MULTILINE)
    pins = map(Requirement, lines)
    return [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]


def _size_mb(name: str) -> int:
    """The size of an extra's packages when they are installed, as `make pins` measured it."""
    size = re.match(r"# (\d+) MB", requirements_of(name).read_text(encoding="utf-8"))
    if size is None:
        raise ExtraError(f"{requirements_of(name)} does not begin with its size: make pins writes it")
    return int(size[1])


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _needs(name: str) -> str:
    return f"{name} needs {plural(len(missing_packages(name)), 'package')}, {_size_mb(name)} MB"


def _install(name: str) -> None:
    if not (find_spec("uv") or find_spec("pip")):
        raise ExtraError(f"{_needs(name)}, and this Python has neither uv nor pip; by hand: {install_command(name)}")
    announce(f"{_needs(name)}: installing…")
    pins = ["--quiet", "--no-deps", "--require-hashes", "-r", str(requirements_of(name))]
    if find_spec("uv"):
        install = ["uv", "pip", "install", "--python", sys.executable]
    else:
        install = ["pip", "install", "--no-input", "--disable-pip-version-check"]
    environment = bootstrap.installer_environment(Path(sys.executable))
    command = [sys.executable, "-m", *install, *pins]
    if subprocess.call(command, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr):
        raise ExtraError(f"{name} could not be installed (see above); by hand: {install_command(name)}")
    if root := bootstrap.checkout_root():
        bootstrap.keep_extra(root, name)


def install_command(name: str) -> str:
    """The command that installs an extra by hand."""
    if bootstrap.checkout_root():
        return f"`make setup ARGS={name}`"
    return f"`pip install 'opensky-assets[{name}]'`"
