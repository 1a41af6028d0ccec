"""How the help of all commands is arranged, and the examples below the help of each."""

from __future__ import annotations

from opensky_assets.wording import program

START = "First steps"
DAYS = "Days: from the source into the lake"
LIVE = "Live data"
ASK = "Look at tables"
CARE = "Take care of the lake"
SERVICE = "The Dagster UI and service"
CHECK = "Check and measure"
PANELS = (START, DAYS, LIVE, ASK, CARE, SERVICE, CHECK)
"""In the order in which the help shows them."""


def examples(*commands: str) -> str:
    """The end of a command's help: commands that run as they stand, without the program's name before them."""
    shown = (f"  $ {program()} {command}".replace("[", r"\[") for command in commands)
    return "\n\n".join(["Examples:" if len(commands) > 1 else "Example:", *shown])
