"""How numbers and names stand in messages."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """The number with its noun: `1 object`, `2 objects`, `1,000 days`."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def program() -> str:
    """How this program is called here: by its name where that was done, else by Python's, which needs no PATH."""
    if Path(sys.argv[0]).stem == "opensky-assets":
        return "opensky-assets"
    return f"{'python' if sys.platform == 'win32' else 'python3'} -m opensky_assets"


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that is most like `name`, if one is like it."""
    return next(iter(get_close_matches(name, list(names), n=1)), None)


def unknown_name(name: str, names: Iterable[str]) -> str:
    """Says that a name is unknown, which one may be meant, and which there are."""
    known = list(names)
    likely = nearest(name, known)
    return f"{name!r} is unknown{f', did you mean {likely}?' if likely else '.'} There are {', '.join(known)}"
