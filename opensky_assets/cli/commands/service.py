"""`dev`, `start`, `status`, `stop`, `serve`: the Dagster UI, and the service behind it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from opensky_assets.cli.options import Port, check_port, one_of
from opensky_assets.cli.panels import SERVICE, examples
from opensky_assets.cli.passed_on import PassedOn

SERVED = ("code-server", "daemon", "webserver")
WEB_PORT, CODE_ADDRESS = 3000, "127.0.0.1:4266"

app = typer.Typer()


@app.command(cls=PassedOn, rich_help_panel=SERVICE)
def dev(ctx: typer.Context) -> int:
    """The Dagster UI on 127.0.0.1:3000; further arguments go to `dagster dev`."""
    from opensky_assets.dagster_home import dagster_home, end_dead_runs, history

    home = dagster_home(Path.cwd())  # the same history as every other command
    with history(home) as instance:
        end_dead_runs(instance)
    command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", *ctx.args]
    return subprocess.call(command, env={**os.environ, "DAGSTER_HOME": str(home)})


@app.command(rich_help_panel=SERVICE, epilog=examples("start", "start --port 3001"))
def start(port: Port = WEB_PORT) -> int:
    """Webserver, daemon and code server in the background, each checked."""
    from opensky_assets.jobs.service import start as run

    return run(Path.cwd(), port)


@app.command(rich_help_panel=SERVICE, epilog=examples("status"))
def status() -> int:
    """How each part of the service is; exit code 0: all well, 3: it does not run, 1: trouble."""
    from opensky_assets.jobs.service import status as run

    return run(Path.cwd())


@app.command(rich_help_panel=SERVICE, epilog=examples("stop"))
def stop() -> int:
    """Stop the service; a run that does not end within 20 s is killed, and run again after the next start."""
    from opensky_assets.jobs.service import stop as run

    return run(Path.cwd())


def _address(text: str | None) -> str | None:
    if text is not None:
        _split(text)
    return text


def _split(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise typer.BadParameter(f"must be HOST:PORT, got {text}")
    return host, int(port)


@app.command(rich_help_panel=SERVICE, epilog=examples("serve code-server", "serve webserver --port 3001"))
def serve(
    part: Annotated[str, typer.Argument(metavar="PART", help=f"One of {', '.join(SERVED)}.", **one_of(lambda: SERVED))],
    host: Annotated[str, typer.Option(help="The address where it listens.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(callback=check_port, help="By default 4266 for the code server, 3000 for the webserver."),
    ] = None,
    code: Annotated[
        str, typer.Option(metavar="HOST:PORT", callback=_address, help="Where the code server listens.")
    ] = CODE_ADDRESS,
) -> int:
    """One part of the service in the foreground, for systemd or a container."""
    from opensky_assets.jobs.service import serve as run

    at = _split(code)
    return run(Path.cwd(), part.replace("-", " "), host, port or (at[1] if part == "code-server" else WEB_PORT), at)
