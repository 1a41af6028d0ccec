"""A lake in a bucket. Runs stage on this machine and put each file whole. A data file's name is never used again; what
is replaced in place (manifests, records of days, reference tables) is put on the condition that it is still what was
read, so that a request which arrives late changes nothing."""

from __future__ import annotations

import hashlib
import json
import os
import random
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from email.utils import parsedate_to_datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opensky_assets.storage.errors import (
    ALREADY_THERE,
    LAKE,
    NOT_THERE,
    LakeError,
    Overtaken,
    broken_reads,
    code_of,
    s3_errors,
)
from opensky_assets.storage.files import Sent, Stored, literal
from opensky_assets.storage.s3 import S3Place
from opensky_assets.storage.staging import Staging, staging

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from pyarrow.fs import FileSystem

LEASE_S = 60.0
"""A lease that is not renewed for so long was held by a process that died, or was stopped."""

LEFTOVER_S = 3600
"""An object's files and its manifest are put within minutes: what no manifest names after an hour was left behind."""

UNFINISHED_S = 24 * 3600
"""Executors send pieces whose file its run completes at its end, which may be hours later. No reader sees them."""

AT_ONCE = 8
"""Files that are put, or removed, at a time; boto3 keeps ten connections."""

MULTIPART_BYTES = 64 << 20
"""Larger files are put in pieces of this size, and are there when the last piece is."""


@dataclass
class _Lease:
    """A lock that is held: the ETag of its object as it was last written by its holder."""

    etag: str
    over: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class S3Files:
    """A bucket, or a prefix of one. Nothing but the lake may be below it. A lease lasts `lease_s` seconds."""

    place: S3Place
    lease_s: float = LEASE_S

    @property
    def uri(self) -> str:
        return self.place.uri

    def __str__(self) -> str:
        return self.place.uri

    def described(self) -> dict[str, Any]:
        return {"place": asdict(self.place), "lease_s": self.lease_s}

    def address(self, path: str) -> str:
        return f"{self.uri}/{path}"

    def location(self, path: str) -> str:
        return literal(self.address(path))

    def pattern(self, pattern: str) -> str:
        return f"{literal(self.uri)}/{pattern}"

    def arrow(self) -> tuple[FileSystem, str]:
        return _arrow(self.place), f"{self.place.bucket}/{self.place.prefix}".rstrip("/")

    def duckdb_filesystem(self) -> AbstractFileSystem:
        from fsspec.implementations.arrow import ArrowFSWrapper
        from pyarrow.fs import FileSelector, FileType

        class LakeFileSystem(ArrowFSWrapper):
            protocol = "s3"

            def find(self, path: str, maxdepth=None, withdirs=False, detail=False, **more) -> Any:  # type: ignore[no-untyped-def]
                """In one listing; patterns of files would be looked for day by day."""
                below = FileSelector(self._strip_protocol(path), recursive=True, allow_not_found=True)
                found = [info for info in self.fs.get_file_info(below) if withdirs or info.type is FileType.File]
                entries = {info.path: self._make_entry(info) for info in found}
                return entries if detail else sorted(entries)

        return LakeFileSystem(_arrow(self.place))

    def _explain(self) -> AbstractContextManager[None]:
        return LAKE.explain(f"the lake {self.place.named}")

    def _ask(self, call: Callable[[Any], Any]) -> Any:
        with self._explain():
            return call(self.place.client())

    def _stored(self, entry: dict[str, Any]) -> Stored:
        """An entry of a listing."""
        path = entry["Key"][len(self.place.key("")) :]
        return Stored(path, entry["Size"], entry["LastModified"].timestamp(), entry["ETag"])

    def walk(self, folder: str) -> Iterator[Stored]:
        with self._explain():
            for page in self.place.list(f"{folder}/"):
                yield from map(self._stored, page.get("Contents", ()))

    def walk_folders(self, folder: str, names: Iterable[str]) -> Iterator[Stored]:
        """One listing from the first folder to the last, which goes on behind what nobody asked for."""
        prefix = f"{folder}/"
        left = sorted({f"{name}/" for name in names})
        with self._explain():
            while left:
                wanted, start, at = set(left), left[0], ""
                for page in self.place.list(prefix, StartAfter=self.place.key(prefix + start)):
                    for file in map(self._stored, page.get("Contents", ())):
                        at = file.path[len(prefix) :].partition("/")[0] + "/"
                        if at in wanted:
                            yield file
                    left = [name for name in left if name >= at]
                    if at > start and at not in left:
                        break
                else:
                    return

    def folders(self, folder: str) -> list[str]:
        prefix = self.place.key(f"{folder}/")
        with self._explain():
            pages = list(self.place.list(f"{folder}/", Delimiter="/"))
        return [p["Prefix"][len(prefix) : -1] for page in pages for p in page.get("CommonPrefixes", ())]

    def _head(self, path: str) -> dict[str, Any] | None:
        with self._explain():
            return self.place.head(path)

    def find(self, path: str) -> Stored | None:
        found = self._head(path)
        if found is None:
            return None
        return Stored(path, found["ContentLength"], found["LastModified"].timestamp(), found["ETag"])

    def read(self, path: str) -> bytes:
        body, _ = self.read_version(path)
        if body is None:
            raise FileNotFoundError(path)
        return body

    def read_version(self, path: str) -> tuple[bytes | None, str]:
        try:
            with self._explain():
                return self.place.get(path) or (None, "")
        except broken_reads() as error:
            raise LAKE.error(f"the lake {self.place.named}", error) from None

    def token(self, path: str) -> str:
        found = self._head(path)
        return found["ETag"] if found else ""

    def fresh(self, name: str) -> str:
        return f"{name}_{uuid.uuid4().hex[:12]}"

    def swap(self, staged: Path, path: str, seen: str) -> None:
        body = staged.read_bytes()
        with self._explain():
            written = self.place.put_over(path, body, seen) if seen else self.place.put_new(path, body)
        if written is None:
            raise Overtaken(f"the lake {self.place.named}: another run has published {path} meanwhile; run again")

    def send(self, staged: Path, path: str) -> Sent:
        """All pieces of the file: it is there when `put` completes them."""
        at = self.place.at(path)
        upload = self._ask(lambda s3: s3.create_multipart_upload(**at))["UploadId"]
        parts: list[dict[str, Any]] = []
        with staged.open("rb") as file:
            while piece := file.read(MULTIPART_BYTES):
                given = {"UploadId": upload, "PartNumber": len(parts) + 1, "Body": piece}
                answer = self._ask(lambda s3, given=given: s3.upload_part(**at, **given))  # type: ignore[misc]
                parts.append({"ETag": answer["ETag"], "PartNumber": given["PartNumber"]})
        return Sent(json.dumps({"UploadId": upload, "MultipartUpload": {"Parts": parts}}))

    def put(self, staged: Path | Sent, path: str) -> None:
        if isinstance(staged, Sent):
            pieces = json.loads(staged.handle)
            self._ask(lambda s3: s3.complete_multipart_upload(**self.place.at(path), **pieces))
            return
        from boto3.s3.transfer import TransferConfig

        # In this thread: there are several of `together`.
        config = TransferConfig(MULTIPART_BYTES, multipart_chunksize=MULTIPART_BYTES, use_threads=False)
        self._ask(lambda s3: s3.upload_file(str(staged), *self.place.at(path).values(), Config=config))

    def put_first(self, text: str, path: str) -> bool:
        return self._put_new(path, text) is not None

    def _put_new(self, path: str, text: str) -> str | None:
        with self._explain():
            return self.place.put_new(path, text.encode())

    def delete(self, path: str) -> None:
        self._ask(lambda s3: s3.delete_object(**self.place.at(path)))

    def together(self, calls: Iterable[Callable[[], None]]) -> None:
        self.place.client()  # made once, before threads ask for it
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                for done in [pool.submit(call) for call in calls]:
                    done.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        path = f"_manifest/{name}"
        owner = uuid.uuid4().hex
        while (etag := self._put_new(path, owner)) is None:
            self._end_lease(path)
            time.sleep(random.uniform(0.05, 0.5))
        lease = _Lease(etag)
        renewer = threading.Thread(target=self._renew, args=(path, owner, lease), daemon=True)
        renewer.start()
        try:
            yield
        finally:
            lease.over.set()
            renewer.join()
            self._take_away(path, lease.etag)

    def _end_lease(self, path: str) -> None:
        """Take away a lock that nobody renews any more."""
        found = self._head(path)
        if found and _server_time(found) - found["LastModified"].timestamp() > self.lease_s:
            self._take_away(path, found["ETag"])

    def _take_away(self, path: str, etag: str) -> None:
        """Remove the lock if it is still this one. Not every server takes the condition with the removal, so it is
        looked at before too."""
        if (found := self._head(path)) and found["ETag"] == etag:
            try:
                self.place.client().delete_object(**self.place.at(path), IfMatch=etag)
            except s3_errors() as error:
                if code_of(error) not in {*ALREADY_THERE, *NOT_THERE}:
                    raise LAKE.error(f"the lake {self.place.named}", error) from None

    def _renew(self, path: str, owner: str, lease: _Lease) -> None:
        """Write the lock anew while it is ours. Where that fails, it is tried again until the lease is over."""
        while not lease.over.wait(self.lease_s / 4):
            try:
                with self._explain():
                    etag = self.place.put_over(path, owner.encode(), lease.etag)
            except LakeError:
                continue
            if etag is None:
                return  # taken away, and maybe somebody else's now
            lease.etag = etag

    def commit_lock(self, name: str = "commit") -> AbstractContextManager[None]:
        return nullcontext()

    @contextmanager
    def run(self) -> Iterator[tuple[Staging, float | None]]:
        user = os.getuid() if hasattr(os, "getuid") else ""
        lake = hashlib.sha256(self.place.named.encode()).hexdigest()[:16]
        uploads, now = self._unfinished()
        for upload in uploads:
            target = {"Bucket": self.place.bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
            self._ask(partial(_abort, target))
        with staging(Path(tempfile.gettempdir()) / f"opensky-assets-{user}" / lake) as (run, _):
            yield run, now - LEFTOVER_S

    def leftovers_before(self) -> float:
        return self._unfinished()[1] - LEFTOVER_S

    def unfinished(self) -> Iterator[Stored]:
        for upload in self._unfinished()[0]:
            yield Stored(upload["Key"][len(self.place.key("")) :], 0, upload["Initiated"].timestamp())

    def _unfinished(self) -> tuple[list[dict[str, Any]], float]:
        """Puts in pieces that were begun long ago and never completed, and what time it is by the store's clock."""
        uploads: list[dict[str, Any]] = []
        with self._explain():
            pages = self.place.client().get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self.place.bucket, Prefix=self.place.key("")):
                now = _server_time(page)
                uploads += page.get("Uploads", ())
        return [upload for upload in uploads if now - upload["Initiated"].timestamp() > UNFINISHED_S], now

    def free_bytes(self) -> None:
        return None


def _abort(target: dict[str, str], s3: Any) -> None:
    try:
        s3.abort_multipart_upload(**target)
    except s3_errors() as error:
        if code_of(error) != "NoSuchUpload":  # another run that starts now was quicker
            raise


def _server_time(answer: dict[str, Any]) -> float:
    """The store's clock: this machine's may be off."""
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()


def _arrow(place: S3Place) -> FileSystem:
    """The file system with the credentials of now. A new one would connect anew for each file that is read."""
    credentials = None if place.anonymous else place.session().get_credentials()
    key = credentials.get_frozen_credentials() if credentials else None
    return _filesystem(place, *((key.access_key, key.secret_key, key.token) if key else (None, None, None)))


@lru_cache(maxsize=4)
def _filesystem(place: S3Place, access_key: str | None, secret_key: str | None, token: str | None) -> FileSystem:
    from pyarrow.fs import S3FileSystem

    options: dict[str, Any] = {"region": place.region or place.session().region_name or "us-east-1"}
    if place.endpoint:
        scheme, _, host = place.endpoint.rpartition("://")
        options |= {"endpoint_override": host, "scheme": scheme or "https", "force_virtual_addressing": False}
    if place.anonymous:
        return S3FileSystem(anonymous=True, **options)
    return S3FileSystem(access_key=access_key, secret_key=secret_key, session_token=token, **options)
