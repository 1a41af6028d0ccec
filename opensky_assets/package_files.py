"""Folders that travel with the package and are no Python: dbt's project, the pins of extras."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def package_folder(name: str) -> Path:
    """A folder that is beside the package in a checkout and, put there by setup.py, inside it in a wheel.

    Raises `FileNotFoundError` where it is at neither place.
    """
    places = (PACKAGE.parent / name, PACKAGE / name)
    # A checkout first: `build` may have left an older copy inside. Beside an installed package is site-packages, where
    # a folder of the same name would be somebody else's.
    for folder in places if (PACKAGE.parent / "pyproject.toml").is_file() else places[1:]:
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"opensky_assets has no {name}: it is at none of {', '.join(map(str, places))}")
