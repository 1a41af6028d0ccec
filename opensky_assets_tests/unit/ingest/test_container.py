"""Containers told by their bytes; damage told from a transfer that broke off."""

import io
import random
import tarfile

import pytest

from opensky_assets.ingest.container import UNPACKING_ERRORS, CountingReader, DamagedContainer, plain
from opensky_assets.storage.errors import ObjectGone
from opensky_assets_tests.containers import gz, hour_tar, tar

CSV = b"time,icao24\n" + b"".join(b"%d,abc%03x\n" % (n * 7919, n % 4096) for n in range(30_000))
FOLDER = tarfile.TarInfo("states.csv")
FOLDER.type = tarfile.DIRTYPE


def read(data, key="states/x.csv.tar"):
    with plain(io.BytesIO(data), key) as stream:
        return stream.read()


def tell_size(data, size, at=0):
    """A tar whose header at `at` gives the member another size."""
    header = bytearray(data[at : at + 512])
    header[124:136] = b"%011o\0" % size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return data[:at] + bytes(header) + data[at + 512 :]


ONE_MEMBER = tar({"x.csv": CSV})
TWO_GZ = gz(CSV[:5000]) + gz(CSV[5000:])

SOUND = {
    "plain": (CSV, "flights/a.csv"),
    "gz": (gz(CSV), "flights/a.csv.gz"),
    "gz named csv": (gz(CSV), "flights/a.csv"),
    "plain named gz": (CSV, "flights/a.csv.gz"),
    "multi-member gz": (gz(CSV[:1000]) + gz(CSV[1000:1001]) + gz(b"") + gz(CSV[1001:]), "flights/a.csv.gz"),
    "gz with zeros behind": (gz(CSV) + bytes(512), "flights/a.csv.gz"),
    "tar of csv.gz": (hour_tar(CSV), "states/a.csv.tar"),
    "tar of csv": (hour_tar(CSV, zipped=False, name="states_x.csv"), "states/a.csv.tar"),
    "tar of gz named csv": (hour_tar(CSV, name="states_x.csv"), "states/a.csv.tar"),
    "tar of csv named csv.gz": (hour_tar(CSV, zipped=False), "states/a.csv.tar"),
    "tar with the table first": (tar({"a/b/x.csv.gz": gz(CSV), "README.txt": b"x"}), "states/a.csv.tar"),
    "tar with hidden files": (tar({"._x.csv.gz": b"junk", "x.csv.gz": gz(CSV)}), "states/a.csv.tar"),
    "gnu tar": (tar({"d" * 150 + "/x.csv.gz": gz(CSV)}, tarfile.GNU_FORMAT), "states/a.csv.tar"),
    "pax tar": (tar({"ü" * 150 + "/x.csv.gz": gz(CSV)}, tarfile.PAX_FORMAT), "states/a.csv.tar"),
    "tar not named so": (hour_tar(CSV), "states/a.csv"),
    "tar whose end mark is all there is behind": (ONE_MEMBER[: 512 + -(-len(CSV) // 512) * 512 + 1024], "a.csv.tar"),
    "tar of a member of whole blocks": (tar({"x.csv": b"", "y.txt": CSV[:1024], "z.txt": b""}), "states/a.csv.tar"),
    "empty": (b"", "flights/a.csv"),
}

SOUND_TABLES = {"empty": b"", "tar of a member of whole blocks": b""}


@pytest.mark.parametrize("name", SOUND)
def test_the_table_is_found_in(name):
    data, key = SOUND[name]
    assert read(data, key) == SOUND_TABLES.get(name, CSV)


class Drops(io.BytesIO):
    """A network stream: each read gives fewer bytes than asked for."""

    def read(self, size=-1):
        return super().read(min(size, 100) if size >= 0 else size)


@pytest.mark.parametrize("name", SOUND)
def test_a_stream_that_comes_in_drops_is_the_same(name):
    data, key = SOUND[name]
    with plain(CountingReader(Drops(data), key), key) as stream:
        assert stream.read() == SOUND_TABLES.get(name, CSV)


ZIPPED = gz(CSV)
WRONG_CRC = ZIPPED[:-8] + bytes([ZIPPED[-8] ^ 1]) + ZIPPED[-7:]
WRONG_LENGTH = ZIPPED[:-1] + bytes([ZIPPED[-1] ^ 1])
TAR = hour_tar(CSV)
DAMAGED = {
    "gz cut in the middle": ZIPPED[: len(ZIPPED) // 2],
    "gz cut in its trailer": ZIPPED[:-3],
    "gz cut in its header": ZIPPED[:5],
    "gz with a wrong checksum": WRONG_CRC,
    "gz with a wrong length": WRONG_LENGTH,
    "gz with garbage behind": ZIPPED + b"garbage behind the end",
    "gz with a cut second member": ZIPPED + ZIPPED[:100],
    "tar without a table": tar({"LICENSE.txt": b"x", "README.csv": b"x"}),
    "tar of nothing": bytes(10_240),
    "tar with a folder named as a table": FOLDER.tobuf() + bytes(1024),
    "named tar and is gz": ZIPPED,
    "named tar and is text": CSV,
    "tar cut in its table": TAR[: len(TAR) // 2],
    "tar cut in the table's header": TAR[:2200],
    "tar with a damaged gz": tar({"x.csv.gz": WRONG_CRC}),
    "tar with a cut gz": tar({"x.csv.gz": ZIPPED[:500]}),
    "tar with two tables": tar({"x.csv.gz": ZIPPED, "y.csv": CSV}),
    "tar with an early end mark": hour_tar(CSV) + hour_tar(CSV),
    "tar with a byte behind its end mark": TAR + b"x",
    "tar with a zero and a byte behind its end mark": TAR + bytes(5_000_000) + b"x",
    "tar without an end mark": ONE_MEMBER[: 512 + -(-len(CSV) // 512) * 512],
    "tar of csv told too short, by blocks": tell_size(ONE_MEMBER, 512 * 100),
    "tar of csv told too short, within its last block": tell_size(ONE_MEMBER, len(CSV) - 1),
    "tar of csv told too short, to nothing": tell_size(ONE_MEMBER, 0),
    "tar of csv told too long, by blocks": tell_size(ONE_MEMBER, len(ONE_MEMBER) + 512),
    "tar of two gz told as one": tell_size(tar({"x.csv.gz": TWO_GZ}), len(gz(CSV[:5000]))),
    "tar of gz told too long": tell_size(tar({"x.csv.gz": ZIPPED, "y.txt": b"x"}), len(ZIPPED) + 512),
    "tar of gz with garbage behind": tar({"x.csv.gz": ZIPPED + b"garbage behind the end"}),
    "gz with text behind": ZIPPED + CSV,
    "gz with zeros and a byte behind": ZIPPED + bytes(700) + b"x",
    "gz with a byte behind": ZIPPED + b"x",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_is_told_as_damaged(name):
    key = "flights/a.csv.gz" if name.startswith("gz") else "states/a.csv.tar"
    with pytest.raises(UNPACKING_ERRORS):
        read(DAMAGED[name], key)


def test_what_is_wrong_with_the_tar_is_said():
    with pytest.raises(DamagedContainer, match=r"no \.csv"):
        read(DAMAGED["tar without a table"])
    with pytest.raises(DamagedContainer, match=r"not a tar archive"):
        read(CSV)
    with pytest.raises(DamagedContainer, match=r"x\.csv\.gz.*y\.csv"):
        read(DAMAGED["tar with two tables"])
    with pytest.raises(DamagedContainer, match=r"has data after its end mark"):
        read(DAMAGED["tar with an early end mark"])
    with pytest.raises(DamagedContainer, match=r"x\.csv .*goes on"):
        read(DAMAGED["tar of csv told too short, within its last block"])
    with pytest.raises(DamagedContainer, match=r"follows x\.csv .*neither"):
        read(DAMAGED["tar of csv told too short, by blocks"])


def test_a_caller_that_reads_a_part_hears_of_the_damage_behind_it():
    for name in ("gz cut in its trailer", "gz with text behind", "tar with an early end mark"):
        with pytest.raises(UNPACKING_ERRORS), plain(io.BytesIO(DAMAGED[name]), "a.csv.gz") as stream:
            assert stream.read(10) == CSV[:10]


def test_a_look_at_the_head_reads_no_further():
    source = io.BytesIO(hour_tar(CSV * 20, zipped=False) + bytes(20 << 20))
    with plain(source, "a.csv.tar", whole=False) as stream:
        assert stream.read(10) == CSV[:10]
    assert source.tell() < 4 << 20


def test_members_beside_the_table_are_named():
    others = []
    data = tar({"LICENSE.txt": b"x", "a/README.md": b"x", "notes.txt": b"n", "x.csv.gz": gz(CSV), "b/x.avro": b"a"})
    with plain(io.BytesIO(data), "a.csv.tar", other_members=others) as stream:
        assert stream.read() == CSV
    assert others == ["notes.txt", "b/x.avro"]


@pytest.mark.parametrize("form", ["gz", "tar"])
def test_any_flipped_byte_gives_the_table_or_a_known_error(form):
    """A flip may hit what nobody reads (a time stamp, a licence), but never changes the table unnoticed."""
    small = CSV[:400]
    data, key = (gz(small), "a.csv.gz") if form == "gz" else (hour_tar(small), "a.csv.tar")
    rng = random.Random(11)
    for at in range(len(data)) if form == "gz" else rng.sample(range(len(data)), 1500):
        broken = bytearray(data)
        broken[at] ^= 1 << rng.randrange(8)
        try:
            found = read(bytes(broken), key)
        except UNPACKING_ERRORS:
            continue
        assert found == small or (form == "gz" and at < 2), f"byte {at}"  # without its first bytes it is no gzip


@pytest.mark.parametrize("form", ["gz", "tar"])
def test_cut_anywhere_gives_the_table_or_a_known_error(form):
    small = CSV[:400]
    data, key = (gz(small), "a.csv.gz") if form == "gz" else (hour_tar(small), "a.csv.tar")
    for end in range(1, len(data), 1 if form == "gz" else 37):
        try:
            found = read(data[:end], key)
        except UNPACKING_ERRORS:
            continue
        assert found in (small, data[:end]), end  # a gzip of one byte is text
        assert found == small or end == 1


# --- the stream from the source ------------------------------------------------------------------------------------


def test_the_reader_counts_what_passes_and_what_is_left():
    reader = CountingReader(io.BytesIO(CSV), "a.csv")
    assert reader.read(10) == CSV[:10]
    assert reader.count == 10
    assert reader.drain() == reader.count == len(CSV)


class BreaksOff(io.BytesIO):
    def __init__(self, data, error):
        super().__init__(data)
        self.error = error

    def read(self, size=-1):
        if found := super().read(size):
            return found
        raise self.error


def transport_errors():
    from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError
    from urllib3.exceptions import IncompleteRead, ProtocolError

    yield ConnectionResetError(104, "Connection reset by peer")
    yield OSError(5, "Input/output error")
    yield TimeoutError("timed out")
    yield ProtocolError("Connection broken")
    yield IncompleteRead(3, 5)
    yield IncompleteReadError(actual_bytes=3, expected_bytes=5)
    yield ReadTimeoutError(endpoint_url="http://s3")
    yield ResponseStreamingError(error="broken")


@pytest.mark.parametrize("error", list(transport_errors()), ids=lambda error: type(error).__name__)
def test_an_error_of_the_transport_is_no_damage_but_worth_another_try(error):
    for read_on in (lambda reader: reader.read(), CountingReader.drain):
        with pytest.raises(ObjectGone, match=r"a\.csv: broke off after 12 bytes") as raised:
            read_on(CountingReader(BreaksOff(CSV[:12], error), "a.csv"))
        assert not isinstance(raised.value, UNPACKING_ERRORS)
    with pytest.raises(ObjectGone), plain(CountingReader(BreaksOff(ZIPPED[:5000], error), "a"), "a.csv.gz") as stream:
        stream.read()
    with pytest.raises(ObjectGone), plain(CountingReader(BreaksOff(TAR[:3000], error), "a"), "a.csv.tar") as stream:
        stream.read()
