"""`python -m opensky_assets COMMAND`, from any Python.

In a checkout it sets up `.venv` first and carries on in it; installed as a package it just runs. Up to
the hand-over to the command only the standard library is imported.
"""

from __future__ import annotations

import sys

from opensky_assets import bootstrap, devtools


def main(arguments: list[str]) -> int:
    root = bootstrap.checkout_root()
    if root is not None:
        if arguments == ["clean"]:
            return devtools.clean(root)
        bootstrap.ensure(root, arguments)
        if arguments and arguments[0] in devtools.COMMANDS:
            return devtools.COMMANDS[arguments[0]](root, arguments[1:])

    from opensky_assets.cli import main as command_line

    return command_line(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
