"""A lake in a folder whose files a test looks at, and changes, by their paths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from opensky_assets.lake import Lake
from opensky_assets.lake.files import LocalFiles


@dataclass(frozen=True)
class LocalLake(Lake):
    files: LocalFiles

    @staticmethod
    def at(folder: Path) -> LocalLake:
        return LocalLake(LocalFiles(folder.resolve()))

    @property
    def root(self) -> Path:
        return self.files.root

    def path(self, relative: str) -> Path:
        return self.root / relative
