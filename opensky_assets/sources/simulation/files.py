"""Keys of objects, and their exact containers: gzip and tar without times or owners, streamed, complete or absent."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import BinaryIO, Protocol

GZIP = 31  # zlib's window bits for a gzip header, whose time is 0
LEVEL = 1
BLOCK = 512  # bytes of a tar block
RECORD = 10_240  # bytes that a tar's length is a multiple of

LAST_DOTTED_DAY = date(2020, 5, 18)  # up to here the real bucket's folders of days start with a dot

README = b"""Simulated data
==============

These state vectors are simulated. They are not recorded data and do not come from the OpenSky Network: aircraft,
flights and positions are invented. The file only has the format of an hourly file of OpenSky's public bucket, so
that programs for those files can be tried. Times are unix seconds, lengths m, speeds m/s, angles degrees.
"""
LICENSE = b"""Simulated data: no licence is needed, and none of OpenSky's data is in here.
Do not publish it as real traffic.
"""


def flight_list_key(day: date, start: date, days: int) -> str:
    """The list that holds `day`: its calendar month, clipped to the simulated days."""
    first = max(start, day.replace(day=1))
    next_month = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    last = min(start + timedelta(days=days - 1), next_month - timedelta(days=1))
    return f"flights/flightlist_{first:%Y%m%d}_{last:%Y%m%d}.csv.gz"


def state_key(day: date, hour: int) -> str:
    dot = "." if day <= LAST_DOTTED_DAY else ""
    return f"states/{dot}{day}/{hour:02d}/states_{day}-{hour:02d}.csv.tar"


class Sink(Protocol):
    def write(self, data: bytes, /) -> object: ...


class Deflated:
    """Writes what it is given to `sink` as one gzip stream."""

    def __init__(self, sink: Sink) -> None:
        from isal import isal_zlib

        self.sink = sink
        self.stream = isal_zlib.compressobj(level=LEVEL, wbits=GZIP)

    def write(self, data: bytes, /) -> object:
        return self.sink.write(self.stream.compress(data))

    def close(self) -> None:
        self.sink.write(self.stream.flush())


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name when it is complete, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as f:
            yield f
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def gzip_file(path: Path) -> Iterator[Sink]:
    """A gzipped file."""
    with whole_file(path) as f:
        deflated = Deflated(f)
        yield deflated
        deflated.close()


@contextmanager
def state_tar(path: Path, member: str, packed: bool) -> Iterator[Sink]:
    """A tar with LICENSE.txt, README.txt and `member`, which is written as a stream, gzipped if `packed`."""
    with whole_file(path) as f:
        for name, text in (("LICENSE.txt", LICENSE), ("README.txt", README)):
            f.write(tar_header(name, len(text)) + text + bytes(-len(text) % BLOCK))
        at = f.tell()
        f.write(bytes(BLOCK))  # the header tells the size, which is known at the end
        if packed:
            deflated = Deflated(f)
            yield deflated
            deflated.close()
        else:
            yield f
        size = f.tell() - at - BLOCK
        f.write(bytes(-size % BLOCK + 2 * BLOCK))
        f.write(bytes(-f.tell() % RECORD))
        f.seek(at)
        f.write(tar_header(member, size))


def tar_header(name: str, size: int) -> bytes:
    """A header with owner 0 and time 0."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT)


def tar_bytes(member: str, content: bytes) -> bytes:
    """A small tar with one member, for the damaged objects."""
    out = io.BytesIO()
    out.write(tar_header(member, len(content)) + content + bytes(-len(content) % BLOCK + 2 * BLOCK))
    return out.getvalue()
