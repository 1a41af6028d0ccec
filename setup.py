"""Puts the folders that stand beside the package in a checkout inside the package of a wheel; all else is in
pyproject.toml. `opensky_assets/package_files.py` finds them in both places."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
FOLDERS = {
    "dbt_project": ("*.yml", "macros/*.sql", "models/**/*.sql", "models/**/*.yml", "tests/*.sql"),
    "requirements": ("*.txt",),
}
FILES = ("dagster.yaml",)


def travelling_files():
    """The paths that go into the wheel, relative to the checkout; not what dbt writes beside its models."""
    for folder, patterns in FOLDERS.items():
        for pattern in patterns:
            yield from (path.relative_to(ROOT) for path in sorted((ROOT / folder).glob(pattern)))
    yield from map(Path, FILES)


class BuildWithFolders(build_py):
    def run(self):
        super().run()
        if not self.editable_mode:
            for path in travelling_files():
                copy = Path(self.build_lib) / "opensky_assets" / path
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / path, copy)


setup(cmdclass={"build_py": BuildWithFolders})
