"""Optional packages ("extras"): what is missing of one, and installing it for the command that needs it.

The packages of each are pinned with hashes in `requirements/<extra>.txt`, which `make pins` writes; its first line has
the size. They come beside those that the package always needs, so nothing that is installed changes.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from opensky_assets import bootstrap
from opensky_assets.console import announce
from opensky_assets.package_files import package_folder


class ExtraError(Exception):
    """An extra could not be installed; the text names it and the command that installs it."""


def require_extra(name: str) -> None:
    """Install the packages of an extra that are missing, after a line that says how many and how large they are.

    For commands, before they import what they need; where nothing is missing it takes a millisecond a package. Raises
    `ExtraError` where pip or uv fails; what they say is on standard error.
    """
    if not missing_packages(name):
        return
    with bootstrap.lock(Path(sys.prefix) / f"{bootstrap.EXTRAS}.lock", f"installing {name}"):
        if packages := missing_packages(name):
            announce(f"{name} needs {count_packages(len(packages))}, {_size_mb(name)} MB: installing…")
            _install(name)
    importlib.invalidate_caches()


def missing_packages(name: str) -> list[str]:
    """The packages of an extra that this Python does not have, of those that this system needs."""
    return [package.name for package in _pins(name) if not _is_installed(package.name)]


def count_packages(number: int) -> str:
    return f"{number} package" + ("" if number == 1 else "s")


def requirements_of(name: str) -> Path:
    """The pins of an extra. Raises `ExtraError` where there is no such extra."""
    folder = package_folder("requirements")
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


def _install(name: str) -> None:
    installer = [sys.executable, "-m", "uv"] if find_spec("uv") else [sys.executable, "-m"]
    options = ["--quiet", "--no-deps", "--require-hashes", "-r", str(requirements_of(name))]
    target = ["--python", sys.executable] if find_spec("uv") else ["--no-input", "--disable-pip-version-check"]
    command = [*installer, "pip", "install", *target, *options]
    environment = bootstrap.installer_environment(Path(sys.executable))
    if subprocess.call(command, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr):
        raise ExtraError(f"{name} could not be installed (see above); {install_command(name)} does it")
    if root := bootstrap.checkout_root():
        bootstrap.keep_extra(root, name)


def install_command(name: str) -> str:
    """The command that installs an extra by hand."""
    if bootstrap.checkout_root():
        return f"`make setup ARGS={name}`"
    return f"`pip install 'opensky-assets[{name}]'`"
