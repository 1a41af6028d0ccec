"""Tables in the containers they are met in."""

import gzip
import io
import tarfile


def gz(data: bytes, level: int = 6) -> bytes:
    return gzip.compress(data, level, mtime=0)


def tar(members: dict[str, bytes], fmt: int = tarfile.USTAR_FORMAT) -> bytes:
    """A tar of files by name, in this order."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=fmt) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def hour_tar(csv: bytes, zipped: bool = True, name: str = "states_2022-06-27-00.csv.gz") -> bytes:
    """As the public bucket has it: licence and read-me beside the table."""
    return tar({"LICENSE.txt": b"licence", "README.txt": b"read,me\n1,2", name: gz(csv) if zipped else csv})
