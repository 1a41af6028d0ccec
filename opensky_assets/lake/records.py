"""Manifests, and records of held objects, as one run reads them: each once, and again only where it was replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from opensky_assets.lake.manifest import DamagedRecord
from opensky_assets.storage.errors import LakeError
from opensky_assets.storage.files import Files, LocalFiles, Stored

T = TypeVar("T")

READS_AT_ONCE = 16
"""Records are small: over a network, nearly all of their time is waiting."""


@dataclass
class Records:
    """What was read of records, by path, with the version that the listing gave it. Other runs replace records at any
    time, so a listing is asked for each time, which is a request for a thousand of them. Another process, or a copy,
    begins without any."""

    kept: dict[str, tuple[str, Any]] = field(default_factory=dict)

    def __reduce__(self) -> tuple[type[Records], tuple[()]]:
        return Records, ()  # workers need none, and there may be many

    def read(self, files: Files, listed: Iterable[Stored], parse: Callable[[str], T]) -> list[T]:
        """The records of these files, without those that are gone since they were listed."""
        wanted = list(listed)
        new = [file for file in wanted if not file.version or self.kept.get(file.path, ("",))[0] != file.version]
        for file, record in zip(new, read_records(files, [file.path for file in new], parse), strict=True):
            if record is None:
                self.kept.pop(file.path, None)
            else:
                self.kept[file.path] = (file.version, record)
        return [self.kept[file.path][1] for file in wanted if file.path in self.kept]


def read_texts(files: Files, paths: Sequence[str]) -> list[str | None]:
    """The texts of small files, `None` for those that are not there."""

    def read(path: str) -> str | None:
        try:
            return files.read(path).decode(errors="replace")
        except FileNotFoundError:
            return None

    if isinstance(files, LocalFiles):
        return [read(path) for path in paths]
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        return list(pool.map(read, paths))


def read_records(files: Files, paths: Sequence[str], parse: Callable[[str], T]) -> list[T | None]:
    """The records at these paths, `None` for those that are not there. Raises `LakeError` for one that does not
    read."""
    found: list[T | None] = []
    for path, text in zip(paths, read_texts(files, paths), strict=True):
        try:
            found.append(None if text is None else parse(text))
        except DamagedRecord as error:
            raise LakeError(
                f"the lake {files}: {path} cannot be read: {error}. `opensky-assets verify --repair` removes it, "
                "and its object is read again"
            ) from None
    return found
