"""Folders and buckets as people write them: `~/lake`, `s3://bucket/prefix`."""

from __future__ import annotations

import re
from pathlib import Path


def expanded(value: str | Path) -> Path:
    """The path, with the home folder where it begins with `~`: outside a shell, as in `.env`, nobody else puts it
    there. Raises `ValueError` where there is no such home folder."""
    path = Path(value)
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"there is no home folder for {path.parts[0]}: write the whole path") from None


def checked_place(value: str) -> str:
    """A folder, with its `~` expanded, or `s3://bucket[/prefix]`. Raises `ValueError` for what is neither."""
    if re.match(r"[\w+.-]+://|s3:", value, re.IGNORECASE):
        if re.fullmatch(r"s3://[^/\s]+(/.*)?", value):
            return value
        meant = re.fullmatch(r"(?i)s3[an]?:/*([^/\s].*)", value)
        raise ValueError(
            "must be a folder or s3://bucket[/prefix]" + (f"; did you mean s3://{meant.group(1)}?" if meant else "")
        )
    return str(expanded(value)) if value.startswith("~") else value
