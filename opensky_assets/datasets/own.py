"""What a user adds: raw tables in YAML (`OPENSKY_DATASETS`), marts in a dbt project (`OPENSKY_DBT_PROJECT`)
and a Python module (`OPENSKY_DEFINITIONS`)."""

from __future__ import annotations

import importlib
from types import ModuleType

from opensky_assets.datasets.from_yaml import load_datasets
from opensky_assets.schemas.tables import use_project
from opensky_assets.settings import Settings, SettingsError


def load_own(settings: Settings) -> ModuleType | None:
    """Register the datasets of the settings, take the marts from their dbt project and import their module, which may
    register more. Each program calls this once, before it asks for tables. Raises `SettingsError`."""
    if settings.dbt_project and not (settings.dbt_project / "dbt_project.yml").is_file():
        raise SettingsError(f"OPENSKY_DBT_PROJECT={str(settings.dbt_project)!r}: has no dbt_project.yml")
    use_project(settings.dbt_project)
    load_datasets(settings.datasets)
    if not settings.definitions:
        return None
    try:
        return importlib.import_module(settings.definitions)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{settings.definitions}.".startswith(f"{error.name}."):
            raise  # the module is there, and what it imports is not
        raise SettingsError(
            f"OPENSKY_DEFINITIONS={settings.definitions!r}: there is no such Python module; its folder must be in "
            "PYTHONPATH"
        ) from None
