"""Files that travel with the package and are no Python: dbt's project, the pins of extras, Dagster's settings."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def package_path(name: str) -> Path:
    """A file or folder that is beside the package in a checkout and, put there by setup.py, inside it in a wheel.

    Raises `FileNotFoundError` where it is not.
    """
    # Beside an installed package is site-packages, where the same name would be somebody else's.
    place = PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").is_file() else PACKAGE
    if not (place / name).exists():
        raise FileNotFoundError(f"{place / name} is missing: install opensky-assets again")
    return place / name
