"""What `deploy/` promises: loopback only, no root, health checks, no secret, and commands that there are."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from opensky_assets.cli.app import command_line
from opensky_assets.settings import variables

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_ports_are_those_of_loopback(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert sorted(ports) == ["127.0.0.1:3000:3000", "127.0.0.1:3001:3001", "127.0.0.1:8333:8333"]


def test_every_container_is_checked_and_none_runs_as_root(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"]), name
        assert service["cap_drop"] == ["ALL"], name
        assert name == "buckets" or service["healthcheck"]["test"][0] == "CMD", name
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    assert re.findall(r"^USER (.*)$", dockerfile, re.MULTILINE)[-1] == "10001:10001"


def test_images_are_pinned_to_a_version(compose: dict[str, Any]) -> None:
    services = compose["services"].values()
    taken = {service["image"] for service in services if "build" not in service}
    inline = [service["build"].get("dockerfile_inline", "") for service in services if "build" in service]
    for text in (*inline, (DEPLOY / "Dockerfile").read_text()):
        taken |= set(re.findall(r"^FROM (\S+)", text, re.MULTILINE))
    assert len(taken) == 3 and all(re.search(r":v?\d+[\w.-]*$", image) for image in taken), taken


def test_no_secret_is_written_down(compose: dict[str, Any]) -> None:
    """Whatever is named like one comes from the environment, and is asked for or may be empty."""
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|KEY|URL$|CLIENT", name):
                assert re.search(r"\$\{[A-Z_0-9]+(:\?[^}]+|:-)\}", str(value)), name
    example = dict(line.split("=", 1) for line in (DEPLOY / "example.env").read_text().splitlines() if line[:1] != "#")
    assert set(example.values()) == {""}
    asked = set(re.findall(r"\$\{([A-Z_0-9]+):\?", (DEPLOY / "compose.yaml").read_text()))
    assert asked <= example.keys()


def test_settings_and_commands_exist(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert {name for name in service.get("environment", {}) if name.startswith("OPENSKY_")} <= {*variables()}
        if service["image"] == "opensky-assets" and "entrypoint" not in service:
            parse(service["command"])
    for unit in UNITS:
        program, *arguments = read(unit)["Service"]["ExecStart"].split()
        assert program.endswith("/opensky-assets")
        parse(arguments)


def parse(arguments: list[str]) -> None:
    name, *options = arguments
    command_line().commands[name].make_context(name, options)


def test_units_run_as_a_user_of_their_own() -> None:
    assert {unit.stem for unit in UNITS} == {
        f"opensky-assets-{part}" for part in ("code-server", "daemon", "webserver")
    }
    for unit in UNITS:
        service = read(unit)["Service"]
        assert service["User"] == "opensky" and service["NoNewPrivileges"] == "true" and "Environment" not in service


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_finds_nothing_wrong_but_that_it_is_not_installed() -> None:
    files = [*UNITS, DEPLOY / "systemd" / "opensky-assets.target"]
    done = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True, timeout=60)
    others = [line for line in done.stderr.splitlines() if "is not executable: No such file" not in line]
    assert others == [], done.stderr


def read(unit: Path) -> configparser.ConfigParser:
    found = configparser.ConfigParser(strict=False, interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read(unit)
    return found
