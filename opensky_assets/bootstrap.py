"""Sets up `.venv` beside the code and carries on in it.

It runs before anything is installed, perhaps under a Python that is too old for the rest: standard
library only, and no syntax newer than Python 3.8.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from opensky_assets.console import announce

SUPPORTED = ((3, 11), (3, 12), (3, 13))
VENV = ".venv"
# Names the pins and the interpreter that the environment was made for. It says "installing" while it
# is being made: an environment found in that state was interrupted and is made anew.
STAMP = ".opensky-assets-stamp"
INSTALLING = "installing"
# Names the extras that commands installed in this environment: they stay when it is brought in line with new pins.
EXTRAS = ".opensky-assets-extras"
# Set across the hand-over only, so that a .venv that does not isolate cannot hand over for ever.
HANDED_OVER = "_OPENSKY_ASSETS_HANDED_OVER"
# Variables that would send packages elsewhere. The project itself has no hash; where hashes are required, the command
# says so.
MISLEADING = (
    *("PYTHONHOME", "__PYVENV_LAUNCHER__", "PIP_USER", "PIP_TARGET", "PIP_PREFIX"),
    *("PIP_REQUIRE_HASHES", "UV_REQUIRE_HASHES"),
)

PROBE = """
import sys
try:
    import ensurepip, venv
    usable = "venv"
except ImportError:
    usable = "bare"
executable = getattr(sys, "_base_executable", sys.executable)
print("%d %d %s %s" % (sys.version_info[0], sys.version_info[1], usable, executable))
"""


class SetupError(Exception):
    """What went wrong and what to do about it, in words for the user."""


def checkout_root() -> Path | None:
    """The folder of the checkout this code runs from; None when it was installed as a package."""
    root = Path(__file__).resolve().parent.parent
    try:
        project = (root / "pyproject.toml").read_text(encoding="utf-8")
    except OSError:
        return None
    return root if 'name = "opensky-assets"' in project and (root / "requirements.txt").is_file() else None


def ensure(root: Path, arguments: list[str]) -> None:
    """Return inside the project's own environment, set up as pinned; from any other Python, hand over to it."""
    handed_over = os.environ.pop(HANDED_OVER, None)
    try:
        if (root / VENV).is_symlink():
            # Following it would install this checkout into the environment of another one.
            raise SetupError(
                f"{root / VENV} is a link to {os.path.realpath(root / VENV)}, perhaps the environment of another "
                "checkout. Delete the link and run again: a new environment is made here."
            )
        if not _is_current(root):
            _install(root)
        if _runs_in(root / VENV):
            return
        if handed_over:
            raise SetupError(f"{root / VENV} does not work as an environment of its own. Delete it and run again.")
        _hand_over(root, arguments)
    except SetupError as error:
        raise SystemExit(f"opensky-assets: {error}") from None
    except KeyboardInterrupt:
        print("\nopensky-assets: interrupted; the next run starts the set-up again.", file=sys.stderr)
        raise SystemExit(130) from None
    except OSError as error:
        raise SystemExit(f"opensky-assets: the set-up failed: {error}") from None


def venv_python(root: Path) -> Path:
    return root / VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _runs_in(venv: Path) -> bool:
    return venv.is_dir() and os.path.samefile(sys.prefix, venv)


def _stamp_for(root: Path) -> str:
    digest = hashlib.sha256(str(root).encode())
    for path in (root / "requirements.txt", root / "pyproject.toml", *sorted((root / "requirements").glob("*.txt"))):
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()}\n{os.path.realpath(venv_python(root))}\n"


def _read_stamp(root: Path) -> str | None:
    try:
        return (root / VENV / STAMP).read_text(encoding="utf-8")
    except OSError:
        return None


def _is_current(root: Path) -> bool:
    return venv_python(root).exists() and _read_stamp(root) == _stamp_for(root)


def _install(root: Path) -> None:
    with lock(root / (VENV + ".lock"), "setting up"):
        if _is_current(root):
            return
        started = time.monotonic()
        venv, python, stamp = root / VENV, venv_python(root), root / VENV / STAMP
        found = _read_stamp(root)
        other_python = found is not None and found.splitlines()[1:] != [os.path.realpath(python)]
        if not python.exists() or found == INSTALLING or other_python:
            base, version = find_python()
            announce(
                f"setting up {venv} with Python {version} (only once, 1.7 GB, about a minute on a fast connection)"
            )
            shutil.rmtree(venv, ignore_errors=True)
            venv.mkdir(exist_ok=True)
            stamp.write_text(INSTALLING, encoding="utf-8")
            _run([base, "-m", "venv", str(venv)], _environment(root), "python -m venv failed")
        else:
            announce(f"updating {venv} to requirements.txt")
            stamp.write_text(INSTALLING, encoding="utf-8")

        environment = _environment(root)
        take_over_pip_settings(python, environment)
        quiet = [] if sys.stderr.isatty() else ["--quiet"]
        uv_pin = venv / "uv-requirements.txt"
        uv_pin.write_text(_uv_pin(root / "requirements.txt"), encoding="utf-8")
        online = "See above. If the network or a mirror is the cause, configure pip and run again."
        pip = [str(python), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        _run(
            [*pip, "--require-hashes", "--no-deps", "-r", str(uv_pin)],
            environment,
            f"pip could not install uv. {online}",
        )
        uv = [str(python), "-m", "uv", "pip"]
        _run(
            [*uv, "sync", *quiet, "--require-hashes", "--python", str(python), *map(str, _requirements(root))],
            environment,
            f"uv could not install requirements.txt. {online}",
        )
        alone = ["--no-deps", "--no-build-isolation", "--offline"]
        _run(
            [*uv, "install", "--quiet", "--python", str(python), *alone, "-e", str(root)],
            environment,
            "the package itself could not be installed (see above)",
        )
        temporary = stamp.with_name(STAMP + ".new")
        temporary.write_text(_stamp_for(root), encoding="utf-8")
        os.replace(temporary, stamp)
        announce(f"set up in {time.monotonic() - started:.0f} s")


def find_python() -> tuple[str, str]:
    """A Python that can make the environment, and its version."""
    refused = {}
    for candidate in _candidates():
        try:
            answer = subprocess.run(
                [*candidate, "-c", PROBE],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=60,
                check=True,
            ).stdout.decode()
            major, minor, usable, executable = answer.strip().split(" ", 3)
        except (OSError, ValueError, subprocess.SubprocessError):
            continue
        version = f"{major}.{minor}"
        if (int(major), int(minor)) not in SUPPORTED:
            refused[executable] = f"Python {version}, not supported"
        elif usable != "venv":
            refused[executable] = (
                f"Python {version} without venv and ensurepip. "
                f"Debian, Ubuntu: apt-get install python3-venv (or python{version}-venv)"
            )
        else:
            return executable, version
    seen = "".join(f"\n  {executable}: {reason}" for executable, reason in refused.items()) or "\n  no Python at all"
    raise SetupError(
        "Python 3.11, 3.12 or 3.13 with venv is needed. Found:"
        + seen
        + "\nInstall one (Debian, Ubuntu: apt-get install python3 python3-venv)"
        + " or name one (PYTHON=/path/to/python3.12), then run again."
    )


def _candidates() -> Iterator[list[str]]:
    if os.environ.get("PYTHON"):
        yield [os.environ["PYTHON"]]
    yield [getattr(sys, "_base_executable", None) or sys.executable]
    yield ["python3"]
    for major, minor in reversed(SUPPORTED):
        yield ["py", f"-{major}.{minor}"] if sys.platform == "win32" else [f"python{major}.{minor}"]


def _environment(root: Path) -> dict[str, str]:
    """This process's environment as `activate` would leave it."""
    environment = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    # Where Python may keep no compiled modules beside its sources, it keeps them in .venv: or each of the many
    # processes of a run would compile Dagster anew, two seconds each.
    if environment.pop("PYTHONDONTWRITEBYTECODE", None):
        environment.setdefault("PYTHONPYCACHEPREFIX", str(root / VENV / "pycache"))
    environment["VIRTUAL_ENV"] = str(root / VENV)
    folder = str(venv_python(root).parent)
    path = environment.get("PATH", os.defpath)
    if path.split(os.pathsep)[0] != folder:
        environment["PATH"] = folder + os.pathsep + path
    return environment


def take_over_pip_settings(python: Path, environment: dict[str, str]) -> None:
    """Whoever has pip set up for a mirror or a certificate has it for uv too, which does not read pip's settings."""
    answer = subprocess.run(
        [str(python), "-m", "pip", "--disable-pip-version-check", "config", "list"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    ).stdout.decode(errors="replace")
    for key, value in re.findall(r"^\S+\.([\w-]+)='(.*)'$", answer, re.MULTILINE):
        if key == "index-url" and "UV_INDEX_URL" not in environment:
            environment.setdefault("UV_DEFAULT_INDEX", value)
        elif key == "cert":
            environment.setdefault("SSL_CERT_FILE", value)


def installer_environment(python: Path) -> dict[str, str]:
    """The environment in which uv or pip adds packages to the one of `python`."""
    environment = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    take_over_pip_settings(python, environment)
    return environment


def keep_extra(root: Path, name: str) -> None:
    """Remember an extra that was installed in the checkout's environment."""
    kept = {*_extras(root), name}
    (root / VENV / EXTRAS).write_text("".join(f"{extra}\n" for extra in sorted(kept)), encoding="utf-8")


def _extras(root: Path) -> list[str]:
    try:
        return (root / VENV / EXTRAS).read_text(encoding="utf-8").split()
    except OSError:
        return []


def _requirements(root: Path) -> list[Path]:
    files = [root / "requirements" / f"{name}.txt" for name in _extras(root)]
    return [root / "requirements.txt", *(file for file in files if file.is_file())]


def _uv_pin(requirements: Path) -> str:
    pin = re.search(r"^uv==.*(?:\n +--hash=.*)*", requirements.read_text(encoding="utf-8"), re.MULTILINE)
    if pin is None:
        raise SetupError(f"{requirements} does not pin uv. Compile it anew: make pins")
    return pin.group() + "\n"


def _run(command: list[str], environment: dict[str, str], failure: str) -> None:
    code = subprocess.call(command, env=environment, stdin=subprocess.DEVNULL)
    if code:
        raise SetupError(f"{failure} (exit code {code})")


@contextlib.contextmanager
def lock(path: Path, doing: str) -> Iterator[None]:
    """One process at a time; the operating system frees the lock of a process that died."""
    with open(path, "a", encoding="utf-8") as handle:
        waiting = False
        while not _try_lock(handle.fileno()):
            if not waiting:
                announce(f"another process is {doing}; waiting for it")
                waiting = True
            time.sleep(0.5)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _hand_over(root: Path, arguments: list[str]) -> None:
    command = [str(venv_python(root)), "-m", "opensky_assets", *arguments]
    environment = _environment(root)
    environment[HANDED_OVER] = "1"
    if sys.platform == "win32":
        raise SystemExit(subprocess.call(command, env=environment))
    os.execve(command[0], command, environment)
