"""The command line: thin over the rest, works without make.

`app.py` runs one command; each module of `commands/` has a family of them. What a command needs is imported inside it,
so that help and completion load none of it.
"""

from opensky_assets.cli.app import main

__all__ = ["main"]
