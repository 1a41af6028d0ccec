"""The lake of the settings as dbt's sources, for dbt by hand."""

import os
from pathlib import Path

from duckdb import DuckDBPyConnection

from opensky_assets.datasets import load_own
from opensky_assets.lake import open_lake
from opensky_assets.package_files import PACKAGE
from opensky_assets.settings import Settings, load_settings
from opensky_assets.transforms.dbt_sources import make_whole_lake

ROOT = PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").is_file() else Path.cwd()
"""Where the other commands are started, beside `.env` and `data`: dbt's own folder is that of its project. Of a package
that is no checkout nobody knows it."""


def attach_whole_lake(connection: DuckDBPyConnection) -> None:
    settings = settings_at(ROOT)
    load_own(settings)
    lake = open_lake(settings)
    make_whole_lake(lake.attach(connection), lake)


def settings_at(root: Path) -> Settings:
    """The settings as a command that is started in `root` has them."""
    settings = load_settings(_env_file=root / ".env")
    lake = settings.lake.uri if "://" in settings.lake.uri else str(root / settings.lake.uri)
    datasets = os.pathsep.join(str(root / place) for place in filter(None, settings.datasets.split(os.pathsep)))
    folder = {"dbt_project": root / settings.dbt_project} if settings.dbt_project else {}
    return load_settings(_env_file=root / ".env", lake=lake, datasets=datasets, **folder)
