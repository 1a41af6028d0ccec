"""`opensky-assets settings`: every setting with its description, default and unit, as a file `.env` to start from."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import groupby

from opensky_assets.settings import Description, descriptions

WIDTH = 100

HEAD = """\
Settings of opensky-assets. Each is optional: copy this file to .env and remove the # of those that you change.
Commands read .env in the current folder; exported variables win. Written by
`opensky-assets settings`.
"""


def env_example() -> str:
    """The text of `.env.example`: all settings commented out, with their defaults as values."""
    return "".join(f"{line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    yield from _comment(HEAD)
    for group, settings in groupby(descriptions(), lambda setting: setting.group):
        yield ""
        yield f"# --- {group.rstrip('.')} ---"
        for setting in settings:
            yield ""
            yield from _comment(setting.text)
            yield f"# {_facts(setting)}"
            yield f"#{setting.variable}={setting.default}"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _facts(setting: Description) -> str:
    unit = f"; unit: {setting.unit}" if setting.unit else ""
    return f"Default: {setting.default or 'not set'}{unit}"
