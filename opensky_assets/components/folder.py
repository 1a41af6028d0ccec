"""Load the `defs.yaml` of a folder of definitions by their paths.

`dg.load_from_defs_folder` finds them too, and imports every installed library that registers components: four seconds.
"""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import dagster as dg
import yaml
from pydantic import ValidationError

from opensky_assets.settings import SettingsError

EXAMPLE = "opensky_assets.components.ScheduledAssets"


def component_definitions(folder: ModuleType) -> dg.Definitions:
    """The definitions of each `defs.yaml` below a package. Raises `SettingsError` with the file and what is wrong."""
    root = Path(folder.__path__[0])
    files = sorted(root.rglob("defs.yaml"))
    if not files:
        return dg.Definitions()
    for file in files:
        _require_types(file)
    tree = dg.ComponentTree.from_module(folder, project_root=root.parents[1])
    return dg.Definitions.merge(*(_definitions_at(tree, file) for file in files))


def _definitions_at(tree: dg.ComponentTree, file: Path) -> dg.Definitions:
    try:
        return tree.build_defs_at_path(file.parent)
    except Exception as error:
        raise SettingsError(_message(file, error)) from error


def _require_types(file: Path) -> None:
    """Raise `SettingsError` unless the file names components that there are. Dagster would blame any of the files."""
    try:
        documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: is not YAML ({' '.join(str(error).split())})") from None
    for document in documents or [None]:
        name = document.get("type") if isinstance(document, dict) else None
        if not isinstance(name, str):
            raise SettingsError(f"{file}: has no `type`: write the name of a component, as `type: {EXAMPLE}`")
        module, _, attribute = name.rpartition(".")
        try:
            component = getattr(import_module(module), attribute, None)
        except (ImportError, ValueError) as error:
            raise SettingsError(f"{file}: type {name}: {error}") from None
        if not (isinstance(component, type) and issubclass(component, dg.Component)):
            raise SettingsError(f"{file}: type {name}: is not a component; `dg list components` shows those there are")


def _message(file: Path, error: BaseException) -> str:
    """The first cause, in one line; of a value that does not fit, its place and what is expected there."""
    while error.__cause__ is not None:
        error = error.__cause__
    if not isinstance(error, ValidationError):
        return f"{file}: {' '.join(str(error).split()) or type(error).__name__}"
    reasons = []
    for detail in error.errors():
        position = detail.get("ctx", {}).get("source_position")
        place = ".".join(map(str, detail["loc"]))
        if position is not None:  # Dagster puts it into the name of the place too
            file, place = Path(position.filename), f"{place.partition(' at ')[0]} (line {position.start.line})"
        reasons.append(f"{place}: {detail['msg']}")
    return f"{file}: {'; '.join(reasons)}"
