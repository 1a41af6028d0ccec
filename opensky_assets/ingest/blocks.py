"""Plain bytes to blocks that end with a line: memory is bounded by the block, whatever the object's size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

BLOCK_BYTES = 8 << 20
"""Measured: larger blocks fall out of the processor's cache, smaller ones pay more for their start."""

LF = 10

MAX_LINE_BYTES = 1 << 20
"""A longer line is no record of OpenSky's; it is quarantined without being held in memory."""


@dataclass(frozen=True)
class Block:
    """Whole physical lines, each with its LF (the object's last may lack it). `first_line` is the number of the first.

    A line that was too long stands as its first `MAX_LINE_BYTES` in a block of its own, with `too_long` set.
    """

    data: bytes
    first_line: int
    too_long: bool = False
    line_ends: int | None = None
    """How many LF are in `data`, where they have been counted."""


def read_blocks(stream: BinaryIO, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """Cut a stream at line ends into blocks of about `size` bytes (at least `MAX_LINE_BYTES`)."""
    size = max(size, MAX_LINE_BYTES)
    rest, ahead, line = b"", b"", 1
    while chunk := ahead or stream.read(size):
        ahead = b""
        end = chunk.rfind(b"\n") + 1
        if end:
            block = b"".join((rest, memoryview(chunk)[:end]))
            rest = chunk[end:]
            del chunk  # two blocks at a time are enough
            line_ends = int(np.count_nonzero(np.frombuffer(block, dtype=np.uint8) == LF))
            yield from _without_long_lines(block, line, line_ends)
            line += line_ends
        else:
            rest += chunk
        if len(rest) > MAX_LINE_BYTES:
            yield Block(rest[:MAX_LINE_BYTES], line, too_long=True)
            rest, ahead = b"", _skip_line(stream)  # what is ahead may hold whole lines
            line += 1
    if rest:
        yield from _without_long_lines(rest, line)


def _skip_line(stream: BinaryIO) -> bytes:
    """Read to the end of the line; return what stands behind it."""
    while chunk := stream.read(MAX_LINE_BYTES):
        end = chunk.find(b"\n") + 1
        if end:
            return chunk[end:]
    return b""


def _without_long_lines(data: bytes, line: int, line_ends: int | None = None) -> Iterator[Block]:
    """Yield the block, with lines over the limit apart. A line that long spans two multiples of the limit at least,
    so only those need a look."""
    start = cut = 0
    at = MAX_LINE_BYTES
    while at < len(data):
        begin = data.rfind(b"\n", start, at) + 1 or start
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end + 1
        if end - begin > MAX_LINE_BYTES + 1:
            if begin > cut:
                yield Block(data[cut:begin], line)
                line += data.count(b"\n", cut, begin)
            yield Block(data[begin : begin + MAX_LINE_BYTES], line, too_long=True)
            line += 1
            cut = end
        start = end
        at = max(end, at) + MAX_LINE_BYTES
    if cut < len(data):
        yield Block(data[cut:], line) if cut else Block(data, line, line_ends=line_ends)
