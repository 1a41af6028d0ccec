"""The physical lines of a block, as bytes, and which of them need no second look."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from opensky_assets.ingest.blocks import Block

LF, COMMA = 10, 44
CR_LF = 0x0A0D  # as a little-endian number
PLAIN = bytes(byte for byte in range(256) if byte == LF or (32 <= byte < 127 and byte != ord('"')))
"""Bytes that need no second look: LF and printable ASCII but the quote."""

_IS_ODD = np.ones(256, dtype=bool)
_IS_ODD[list(PLAIN)] = False

AT = "__at"
"""Name of the column that says which of the block's lines a row comes from; never published."""


class Lines:
    """The physical lines of a block, found without touching one by one, and only where somebody asks for them.

    `source` are the bytes as the object has them, but that the last line has its line end. In all the others each line
    ends with LF alone.
    """

    def __init__(self, block: Block) -> None:
        data, count = block.data, block.line_ends
        if not data.endswith(b"\n"):
            data += b"\n"
            count = None
        self.source = data
        self.first = block.first_line
        self.count = int(np.count_nonzero(np.frombuffer(data, dtype=np.uint8) == LF)) if count is None else count

    @cached_property
    def data(self) -> bytes:
        return self.source.replace(b"\r\n", b"\n") if b"\r" in self.source else self.source

    @cached_property
    def array(self) -> np.ndarray:
        return np.frombuffer(self.data, dtype=np.uint8)

    @cached_property
    def ends(self) -> np.ndarray:
        return np.flatnonzero(self.array == LF)

    @cached_property
    def starts(self) -> np.ndarray:
        return np.concatenate((np.zeros(1, dtype=np.int64), self.ends[:-1] + 1))

    @cached_property
    def lengths(self) -> np.ndarray:
        return self.ends - self.starts

    def raw(self, at: int) -> bytes:
        return self.data[self.starts[at] : self.ends[at]]

    def look_clean(self, fields: int) -> bool:
        """Whether `source` has nothing but plain bytes, the same line end everywhere, and as many commas as lines that
        are all clean have. A line too short and one too long can still make up for each other; a parser that refuses
        the long one tells."""
        data = np.frombuffer(self.source, dtype=np.uint8)
        return (
            int(data.max()) < 127
            and b'"' not in self.source
            and int(np.count_nonzero(data < 32)) == self.count * _line_end_bytes(self.source, data, self.count)
            and int(np.count_nonzero(data == COMMA)) == self.count * (fields - 1)
        )

    def clean(self, fields: int) -> np.ndarray:
        """For each line: nothing but plain bytes, and as many commas as the header has."""
        commas = np.add.reduceat((self.array == COMMA).view(np.uint8), self.starts)
        clean = commas == (fields - 1) % 256
        for at in np.flatnonzero(clean & (self.lengths > 255)):  # a count of bytes wraps at 256
            clean[at] = self.raw(int(at)).count(b",") == fields - 1
        clean &= self.lengths > 0
        if self.data.translate(None, PLAIN):
            clean[np.searchsorted(self.ends, np.flatnonzero(_IS_ODD[self.array]))] = False
        return clean

    def only(self, chosen: np.ndarray) -> bytes:
        return self.array[np.repeat(chosen, self.lengths + 1)].tobytes()


def _line_end_bytes(source: bytes, data: np.ndarray, count: int) -> int:
    """How many bytes each of the `count` line ends has: 1 for LF, 2 for CR LF, 0 where there are others too."""
    if b"\r" not in source:
        return 1
    pairs = (data[start : start + (len(data) - start) // 2 * 2].view("<u2") for start in (0, 1))
    return 2 if sum(int(np.count_nonzero(pair == CR_LF)) for pair in pairs) == count else 0
