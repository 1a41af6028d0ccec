"""From an object's bytes to the plain bytes of the table in it: tar, gzip or neither, told by the bytes."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from isal import igzip, isal_zlib

from opensky_assets.storage.errors import ObjectGone, SourceError

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
    """The bytes of the object `key` as the source gives them, counted, so that a cut transfer can be told from a
    damaged object. Where the transport fails while they are read, whatever it raises, that is `ObjectGone`."""

    def __init__(self, stream: BinaryIO, key: str) -> None:
        self._stream = stream
        self._key = key
        self.count = 0

    def _read(self, size: int) -> bytes:
        try:
            data = self._stream.read(size)
        except SourceError:
            raise
        except Exception as error:
            raise ObjectGone(f"{self._key}: broke off after {self.count} bytes ({error}); run again") from error
        self.count += len(data)
        return data

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill the buffer, however few bytes the source gives at a time: a look at the first ones must see them."""
        filled = 0
        while filled < len(buffer) and (data := self._read(len(buffer) - filled)):
            buffer[filled : filled + len(data)] = data
            filled += len(data)
        return filled

    def drain(self) -> int:
        """Read to the end; return how many bytes the object had in all."""
        while self._read(1 << 20):
            pass
        return self.count


def _peekable(stream: io.RawIOBase | BinaryIO) -> io.BufferedReader:
    return io.BufferedReader(cast(io.RawIOBase, stream), buffer_size=1 << 20)


def _peek(stream: io.BufferedReader, size: int) -> bytes:
    return stream.peek(size)[:size]


def _is_table(name: str) -> bool:
    base = name.rsplit("/", 1)[-1].lower()
    return base.endswith((".csv", ".csv.gz", ".gz")) and not base.startswith(("readme", "license", "."))


def _is_accompanying(name: str) -> bool:
    """Whether a member is one that OpenSky packs beside each table, or that macOS adds."""
    return name.rsplit("/", 1)[-1].lower().startswith(("readme", "license", "._"))


@contextmanager
def plain(stream: BinaryIO, key: str, whole: bool = True, other_members: list[str] | None = None) -> Iterator[BinaryIO]:
    """The plain bytes inside `stream`: of the table member of a tar, unpacked where they are gzipped.

    The form is read from the bytes, since members named `.csv` may be gzipped and the other way round. With `whole`,
    what the caller left unread is read and checked to the end, the rest of the tar included; without, nothing is read
    ahead of the caller. Names of members of a tar that are neither the table nor LICENSE or README are added to
    `other_members`.

    Raises `DamagedContainer` for a tar without a table or with two, for one that goes on where its headers say that
    it ends, and for a `key` that promises a tar; while the result is read, any of `UNPACKING_ERRORS`.
    """
    outer = _peekable(stream)
    head = _peek(outer, PEEK_BYTES)
    if head[TAR_MAGIC_AT : TAR_MAGIC_AT + len(TAR_MAGIC)] == TAR_MAGIC:
        yield from _table_of_tar(_Tape(outer), whole, [] if other_members is None else other_members)
    elif head and key.endswith(".tar"):
        raise DamagedContainer("its name ends in .tar, but it is not a tar archive")
    else:
        with _unzipped(outer) as result:
            yield result
            if whole:
                _exhaust(result)


def _table_of_tar(tape: _Tape, whole: bool, other_members: list[str]) -> Iterator[BinaryIO]:
    table: str | None = None
    last = ""
    with tarfile.open(fileobj=cast(BinaryIO, tape), mode="r:") as tar:
        while (member := tar.next()) is not None:
            last = member.name
            if not member.isfile() or not _is_table(member.name):
                if not member.isdir() and not _is_accompanying(member.name):
                    other_members.append(member.name)
                continue
            if table is not None:
                raise DamagedContainer(f"the tar holds two tables, {table} and {member.name}")
            table = member.name
            with _unzipped(_peekable(cast(BinaryIO, tar.extractfile(member)))) as result:
                yield result
                if not whole:
                    return
                _exhaust(result)
            if not tape.skip_zeros(tar.offset):
                raise DamagedContainer(f"the tar's header gives {table} {member.size:,} bytes, but {table} goes on")
        if tape.last_block.strip(b"\0") or not tape.last_block:
            raise DamagedContainer(f"what follows {last} in the tar is neither a member's header nor the end mark")
        if not tape.skip_zeros():
            raise DamagedContainer("the tar has data after its end mark")
    if table is None:
        raise DamagedContainer("the tar holds no .csv or .csv.gz member")


def _exhaust(stream: BinaryIO) -> None:
    while stream.read(1 << 20):
        pass


class _Tape:
    """A stream as `tarfile` wants a file: it seeks forward only, by reading. `last_block` is what was read last."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._at = 0
        self.last_block = b""

    def tell(self) -> int:
        return self._at

    def read(self, size: int) -> bytes:
        self.last_block = self._stream.read(size)
        self._at += len(self.last_block)
        return self.last_block

    def seek(self, at: int) -> int:
        if at < self._at:
            raise DamagedContainer(f"the tar refers back from byte {self._at:,} to byte {at:,}")
        while self._at < at and self.read(min(at - self._at, 1 << 20)):
            pass
        return self._at

    def skip_zeros(self, until: int | None = None) -> bool:
        """Read up to there, or to the end; whether there are zeros only."""
        while size := (1 << 20 if until is None else min(until - self._at, 1 << 20)):
            if not (data := self.read(size)):
                break
            if data.count(0) < len(data):
                return False
        return True


@contextmanager
def _unzipped(stream: io.BufferedReader) -> Iterator[BinaryIO]:
    if _peek(stream, 2) == GZIP_MAGIC:
        with igzip.IGzipFile(fileobj=stream, mode="rb") as unzipped:
            yield cast(BinaryIO, unzipped)
    else:
        yield cast(BinaryIO, stream)
