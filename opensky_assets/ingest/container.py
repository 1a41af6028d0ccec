"""From an object's bytes to the plain bytes of the table in it: tar, gzip or neither, told by the bytes."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from isal import igzip, isal_zlib

GZIP_MAGIC = b"\x1f\x8b"
TAR_MAGIC = b"ustar"
TAR_MAGIC_AT = 257
PEEK_BYTES = 512


class DamagedContainer(Exception):
    """The container does not unpack, or has no table in it."""


UNPACKING_ERRORS: tuple[type[Exception], ...] = (
    DamagedContainer,
    EOFError,
    igzip.BadGzipFile,
    cast(type[Exception], isal_zlib.error),
    zlib.error,
    tarfile.TarError,
)
"""What is raised where a container does not unpack."""


class CountingReader(io.RawIOBase):
    """Counts the bytes that pass, so that a cut transfer can be told from a damaged object."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)

    def drain(self) -> int:
        """Read to the end; return how many bytes the object had in all."""
        while chunk := self._stream.read(1 << 20):
            self.count += len(chunk)
        return self.count


def _peekable(stream: io.RawIOBase | BinaryIO) -> io.BufferedReader:
    return io.BufferedReader(cast(io.RawIOBase, stream), buffer_size=1 << 20)


def _peek(stream: io.BufferedReader, size: int) -> bytes:
    return stream.peek(size)[:size]


def _is_table(name: str) -> bool:
    base = name.rsplit("/", 1)[-1].lower()
    return base.endswith((".csv", ".csv.gz", ".gz")) and not base.startswith(("readme", "license", "."))


@contextmanager
def plain(stream: BinaryIO, key: str) -> Iterator[BinaryIO]:
    """The plain bytes inside `stream`: of the table member of a tar, unpacked where they are gzipped.

    Told by the bytes, since members named `.csv` may be gzipped and the other way round. Raises `DamagedContainer`
    here for a tar without a table, or a `key` that promises a tar; while the result is read, any of `UNPACKING_ERRORS`.
    """
    outer = _peekable(stream)
    head = _peek(outer, PEEK_BYTES)
    if head[TAR_MAGIC_AT : TAR_MAGIC_AT + len(TAR_MAGIC)] == TAR_MAGIC:
        with tarfile.open(fileobj=outer, mode="r|") as tar:
            for member in tar:
                if member.isfile() and _is_table(member.name) and (inner := tar.extractfile(member)):
                    with _unzipped(_peekable(cast(BinaryIO, inner))) as result:
                        yield result
                    return
        raise DamagedContainer("the tar holds no .csv or .csv.gz member")
    elif head and key.endswith(".tar"):
        raise DamagedContainer("it is named .tar and is none")
    else:
        with _unzipped(outer) as result:
            yield result


@contextmanager
def _unzipped(stream: io.BufferedReader) -> Iterator[BinaryIO]:
    if _peek(stream, 2) == GZIP_MAGIC:
        with igzip.IGzipFile(fileobj=stream, mode="rb") as unzipped:
            yield cast(BinaryIO, unzipped)
    else:
        yield cast(BinaryIO, stream)
