"""Bytes to blocks of whole lines: nothing lost, nothing moved, and memory bounded by the block."""

import io
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opensky_assets.ingest import blocks
from opensky_assets.ingest.blocks import MAX_LINE_BYTES, read_blocks


def plain_lines(data):
    """Number → line with its LF, the plain way."""
    return dict(enumerate(io.BytesIO(data).readlines(), 1))


def read_lines(stream, size):
    """Number → (line, too long), out of the blocks."""
    found = {}
    for block in read_blocks(stream, size):
        assert block.data
        lines = io.BytesIO(block.data).readlines()
        assert not block.too_long or len(lines) == 1
        for number, line in enumerate(lines, block.first_line):
            assert number not in found
            found[number] = (line, block.too_long)
    return found


class Trickle(io.BytesIO):
    """Gives as many bytes a read as `sizes` say, in turn, as a network does."""

    def __init__(self, data, sizes):
        super().__init__(data)
        self.sizes, self.reads = sizes, 0

    def read(self, size=-1):
        self.reads += 1
        return super().read(min(size, self.sizes[self.reads % len(self.sizes)]))


small_data = st.text(st.sampled_from("ab\n\r"), max_size=80).map(str.encode) | st.lists(
    st.integers(0, 12).map(lambda n: b"x" * n), max_size=12
).map(b"\n".join)


@example(data=b"xxxxxxxxxx\n\nxxxxxxxx", size=1, steps=[2])  # whole lines in what was read behind a long one
@given(data=small_data, size=st.integers(1, 40), steps=st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_any_bytes_cut_anywhere_give_the_same_lines_with_the_same_numbers(data, size, steps):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "MAX_LINE_BYTES", 8)
        found = read_lines(Trickle(data, steps), size)
    expected = {
        number: (line[:8], True) if len(line.removesuffix(b"\n")) > 8 else (line, False)
        for number, line in plain_lines(data).items()
    }
    assert found == expected


@given(st.binary(max_size=300), st.integers(1, 64))
def test_blocks_without_long_lines_join_to_the_bytes(data, size):
    parts = list(read_blocks(io.BytesIO(data), size))
    assert b"".join(part.data for part in parts) == data
    assert all(part.data.endswith(b"\n") for part in parts[:-1])


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("over", [0, 1, MAX_LINE_BYTES, 17 << 20])
def test_lines_at_and_over_the_real_limit(over, end):
    long = b"y" * (MAX_LINE_BYTES - len(end.removesuffix(b"\n")) + over)
    data = b"a\nb\n" + long + end + (b"c\nd" if end else b"")
    found = read_lines(io.BytesIO(data), 1)
    assert [found[1], found[2]] == [(b"a\n", False), (b"b\n", False)]
    line, too_long = found[3]
    assert too_long == bool(over)
    assert line == (long[:MAX_LINE_BYTES] if over else long + end)
    assert [found[n] for n in sorted(found)[3:]] == ([(b"c\n", False), (b"d", False)] if end else [])


class Endless(io.RawIOBase):
    """`size` bytes without a line end, made while they are read."""

    def __init__(self, size, tail):
        self.left, self.tail = size, tail

    def read(self, size=-1):
        if self.left:
            count = min(size, self.left)
            self.left -= count
            return b"z" * count
        tail, self.tail = self.tail, b""
        return tail


def test_a_line_of_any_length_takes_no_more_memory_than_a_block():
    size = 4 << 20
    tracemalloc.start()
    found = read_lines(Endless(300 << 20, b"\nafter\n"), size)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert {number: too_long for number, (_, too_long) in found.items()} == {1: True, 2: False}
    assert peak < 4 * size


def test_nothing_gives_no_block():
    assert list(read_blocks(io.BytesIO(b""))) == []
    assert [b.data for b in read_blocks(io.BytesIO(b"\n"))] == [b"\n"]
