"""`dev`, `start`, `status`, `stop`, `serve`, `home`: the Dagster UI, the service behind it, and their history."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from opensky_assets.cli.interrupts import READS_ONLY, when_interrupted
from opensky_assets.cli.options import Port, check_port, one_of
from opensky_assets.cli.panels import SERVICE, examples
from opensky_assets.cli.passed_on import PassedOn
from opensky_assets.console import announce, say

SERVED = ("code-server", "daemon", "webserver")
WEB_PORT, CODE_ADDRESS = 3000, "127.0.0.1:4266"

app = typer.Typer()


@app.command(cls=PassedOn, rich_help_panel=SERVICE)
@when_interrupted("the Dagster UI is down, its history stays")
def dev(ctx: typer.Context) -> int:
    """Run the Dagster UI on 127.0.0.1:3000; further arguments go to `dagster dev`."""
    from opensky_assets.jobs.service import dev as run

    return run(Path.cwd(), ctx.args)


@app.command(rich_help_panel=SERVICE, epilog=examples("start", "start --port 3001"))
@when_interrupted("the parts that were started are stopped again")
def start(port: Port = WEB_PORT) -> int:
    """Start webserver, daemon and code server in the background, and check each."""
    from opensky_assets.jobs.service import start as run

    return run(Path.cwd(), port)


@app.command(rich_help_panel=SERVICE, epilog=examples("status"))
@when_interrupted(READS_ONLY)
def status() -> int:
    """Show the state of each part of the service. Exit code 0: all well, 1: a problem, 3: nothing runs."""
    from opensky_assets.jobs.service import status as run

    return run(Path.cwd())


@app.command(rich_help_panel=SERVICE, epilog=examples("stop"))
@when_interrupted("run it again until it says that all parts are stopped")
def stop() -> int:
    """Stop the service. A run that does not end within 20 s is killed; it runs again after the next start."""
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
@when_interrupted("this part of the service is down")
def serve(
    part: Annotated[str, typer.Argument(metavar="PART", help=f"One of {', '.join(SERVED)}.", **one_of(lambda: SERVED))],
    host: Annotated[str, typer.Option(metavar="HOST", help="The address where it listens.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", callback=check_port, help="By default 4266 for the code server, 3000 for the webserver."
        ),
    ] = None,
    code: Annotated[
        str, typer.Option(metavar="HOST:PORT", callback=_address, help="Where the code server listens.")
    ] = CODE_ADDRESS,
) -> int:
    """Run one part of the service in the foreground, for systemd or a container."""
    from opensky_assets.jobs.service import serve as run

    at = _split(code)
    return run(Path.cwd(), part.replace("-", " "), host, port or (at[1] if part == "code-server" else WEB_PORT), at)


@app.command(rich_help_panel=SERVICE, epilog=examples("home"))
def home(
    moved: Annotated[
        bool, typer.Option("--moved", help="After you moved the lake: connect this history to its new place.")
    ] = False,
) -> int:
    """Print the DAGSTER_HOME of the lake, for dagster and dg: export DAGSTER_HOME=$(opensky-assets home)"""
    from opensky_assets.dagster_home import dagster_home, move_history

    found = dagster_home(Path.cwd(), moved=moved)
    if moved:
        announce(f"the history in {found} now belongs to the lake {move_history(found)}")
    say(str(found))
    return 0
