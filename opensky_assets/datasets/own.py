"""What a user adds: raw tables in YAML (`OPENSKY_DATASETS`) and a Python module (`OPENSKY_DEFINITIONS`)."""

from __future__ import annotations

import importlib
from types import ModuleType

from opensky_assets.datasets.from_yaml import load_datasets
from opensky_assets.settings import Settings, SettingsError


def load_own(settings: Settings) -> ModuleType | None:
    """Register the datasets of the settings and import their module, which may register more. Each program calls this
    once, before it asks for tables. Raises `SettingsError`."""
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
