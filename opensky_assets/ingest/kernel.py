"""One object, whole, with all its days, to published Parquet: good rows to the table, bad ones to quarantine."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

import polars as pl

from opensky_assets.calendar import NO_DAY, Partitions, Period
from opensky_assets.ingest.answers import ANSWERS, is_answer, open_answer
from opensky_assets.ingest.blocks import Block, read_blocks
from opensky_assets.ingest.container import PEEK_BYTES, UNPACKING_ERRORS, CountingReader, plain
from opensky_assets.ingest.csv_format import CSV
from opensky_assets.ingest.layout import Layout, WrongHeader, read_layout
from opensky_assets.ingest.parse import Parsed, parse_block
from opensky_assets.ingest.refused import Refused, held_back
from opensky_assets.lake import Counts, Held, Lake, Manifest, Staging
from opensky_assets.lake.manifest import LATER, OTHER_MEMBERS
from opensky_assets.lake.parquet import DayFiles
from opensky_assets.schemas import QUARANTINE, Contract, Reason
from opensky_assets.schemas.api import API_FIELDS
from opensky_assets.sources.keys import KeyFacts, read_key
from opensky_assets.storage.errors import ObjectGone
from opensky_assets.storage.landing import uri_of
from opensky_assets.storage.objects import ObjectStore, SourceObject

CODE_VERSION = "3"
"""Changes when the same object and contract would give other rows or files."""


KEPT_REJECTS = 1_000
"""Of an object that is held back for its records, so many of these are kept beside the record of the object."""


@dataclass(frozen=True)
class Task:
    """One object to ingest. `period` bounds its days, `days` are those its name promises (`None`: it promises none).
    `quarantine_limit` is the share of records beyond which it is held back."""

    source: SourceObject
    contract: Contract
    period: Period
    days: tuple[str, ...] | None
    quarantine_limit: float
    facts: KeyFacts | None = None
    """What the key tells, where not OpenSky's own keys do."""

    @property
    def waits(self) -> bool:
        """Whether days that are not over yet could be among the object's."""
        facts = self.facts or read_key(self.source.key)
        return facts is None or facts.period is None or facts.period.last > self.period.last


def require_whole(stream: CountingReader, item: SourceObject) -> None:
    """Raise `ObjectGone` unless all bytes of the object arrived: nothing is judged by a part of it."""
    if stream.drain() != item.size:
        raise ObjectGone(f"{item.key}: {stream.count} of {item.size} bytes arrived; run again")


def ingest_object(task: Task, store: ObjectStore, lake: Lake, run: Staging) -> Manifest | Held:
    """Ingest one object and publish it, or hold it back. Raises `ObjectGone` where another try may help."""
    item = task.source
    with store.open(item) as raw:
        counting = CountingReader(raw, item.key)
        name = lake.files.fresh(item.stem)
        ingest = _Ingest(task, uri_of(store, item.key), run, name)
        try:
            try:
                ingest.read(counting)
            except UNPACKING_ERRORS as error:
                raise Refused(Reason.DAMAGED_CONTAINER, f"does not unpack ({error})") from None
            except WrongHeader as error:
                raise Refused(Reason.WRONG_HEADER, str(error)) from None
            require_whole(counting, item)
            manifest, staged = ingest.finish()
        except Refused as refused:
            require_whole(counting, item)
            days = sorted(ingest.written) if task.days is None else task.days
            held, path = held_back(task.contract.name, item, refused, days, run, name, task.contract.partitions)
            with lake.committing(task.contract.name, item) as seen:
                store.verify(item)
                lake.hold(held, path, run, seen)
            return held
    with lake.committing(task.contract.name, item) as seen:  # whoever commits last has seen the object as it is
        store.verify(item)
        return lake.commit(manifest, staged, run, seen)


class _Ingest:
    """The state of one object on its way: open files and counts."""

    def __init__(self, task: Task, source_uri: str, run: Staging, name: str) -> None:
        self.task, self.source_uri = task, source_uri
        self.records = 0
        self.other_members: list[str] = []
        self.written: Counter[str] = Counter()
        self.quarantined: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.early: Counter[date] = Counter()
        self.first_rejects: list[pl.DataFrame] = []
        """At most `KEPT_REJECTS` records, to show where the object is held back for them."""
        item, contract = task.source, task.contract
        provenance = {
            "opensky.object": item.key,
            "opensky.etag": item.etag,
            "opensky.contract_version": contract.version,
            "opensky.code_version": CODE_VERSION,
        }
        folder = run.folder(item.stem)
        self.layout: Layout | None = None
        self.good = DayFiles(
            folder / "rows",
            contract.path,
            name,
            contract.schema,
            sort_by=contract.key,
            dictionary=[column.name for column in contract.columns if column.repeats],
            delta=[column.name for column in contract.columns if column.steps],
            metadata=provenance,
            partitions=contract.partitions,
        )
        self.bad = DayFiles(
            folder / "rejects",
            f"quarantine/{contract.name}",
            name,
            QUARANTINE.schema,
            sort_by=("line_number",),
            metadata=provenance,
            partitions=contract.partitions,
        )

    def read(self, stream: CountingReader) -> None:
        key = self.task.source.key
        with plain(stream, key, other_members=self.other_members) as lines:  # type: ignore[arg-type]
            head = cast(BufferedReader, lines).peek(PEEK_BYTES)
            if self.task.contract.name in API_FIELDS and is_answer(head, key):
                lines, self.layout = open_answer(lines, head, key, self.task.contract)
                blocks, form = read_blocks(lines), ANSWERS
            else:
                blocks, form = _with_header(lines, self), CSV
            for block in blocks:
                assert self.layout is not None
                self._take(parse_block(block, self.layout, self.task.period, form))
        if self.layout is None:
            raise Refused(Reason.EMPTY_OBJECT, "is empty: not even a header")
        stream.drain()

    def _take(self, parsed: Parsed) -> None:
        self.records += parsed.records
        if parsed.early and self.task.waits:
            self.early.update(parsed.early)
        for day, rows in _by_day(parsed.rows, self.task):
            self.written[day] += rows.height
            self.good.write(day, rows.to_arrow(compat_level=pl.CompatLevel.newest()))
        if parsed.rejects.height:
            rejects = parsed.rejects.with_columns(pl.lit(self.task.source.key).alias("object"))
            if (room := KEPT_REJECTS - sum(frame.height for frame in self.first_rejects)) > 0:
                self.first_rejects.append(rejects.head(room))
            for (day,), rows in _own_partitions(rejects, self.task).partition_by("day", as_dict=True).items():
                self.quarantined[str(day)].update(rows["reason"].to_list())
                self.bad.write(str(day), rows.to_arrow(compat_level=pl.CompatLevel.oldest()))

    def finish(self) -> tuple[Manifest, dict[str, Path]]:
        """Decide the gate and close the files. Raises `Refused` over the limit."""
        early = self.early.total()  # nothing is wrong with these but the hour at which they were read
        rejected = sum(sum(counts.values()) for counts in self.quarantined.values()) - early
        if rejected > (self.records - early) * self.task.quarantine_limit:
            by_reason = sum(self.quarantined.values(), Counter())
            told = ", ".join(f"{reason} {count}" for reason, count in by_reason.most_common())
            raise Refused(
                Reason.OVER_QUARANTINE_LIMIT,
                f"{rejected} of {self.records} records ({rejected / self.records:.1%}) break the contract ({told}), "
                f"more than OPENSKY_QUARANTINE_LIMIT={self.task.quarantine_limit:g}; raise it for this run to let them "
                "pass",
                pl.concat(self.first_rejects).sort("line_number").to_arrow(compat_level=pl.CompatLevel.oldest()),
            )
        staged, files = self.good.close()
        staged_bad, quarantine_files = self.bad.close()
        layout = self.layout
        assert layout is not None
        days = sorted({*self.written, *self.quarantined})
        manifest = Manifest(
            table=self.task.contract.name,
            source=self.task.source,
            source_uri=self.source_uri,
            contract_version=self.task.contract.version,
            code_version=CODE_VERSION,
            read=self.records,
            days={day: Counts(self.written[day], sum(self.quarantined[day].values())) for day in days},
            reasons={day: dict(sorted(counts.items())) for day, counts in sorted(self.quarantined.items()) if counts},
            files=tuple(files),
            quarantine_files=tuple(quarantine_files),
            notes={
                "extra_columns": list(layout.extra),
                "missing_columns": list(layout.missing),
                **({OTHER_MEMBERS: self.other_members} if self.other_members else {}),
                **({LATER: min(self.early).isoformat()} if self.early else {}),
            },
        )
        return manifest, {**staged, **staged_bad}


def _with_header(stream: BinaryIO, ingest: _Ingest) -> Iterator[Block]:
    """The blocks behind the header, which is the first line and sets the layout."""
    for block in read_blocks(stream):
        if ingest.layout is None:
            header, _, rest = block.data.partition(b"\n")
            ingest.layout = read_layout(header, ingest.task.contract)
            if rest:
                yield Block(rest, block.first_line + 1, block.too_long)
        else:
            yield block


def _by_day(rows: pl.DataFrame, task: Task) -> list[tuple[str, pl.DataFrame]]:
    if not rows.height:
        return []
    if only := _only_partition(task):
        return [(only, rows)]
    day = pl.col(task.contract.day_column or "").dt
    key = day.year() if task.contract.partitions is Partitions.YEAR else day.date()
    days = rows.with_columns(key.alias("__day")).partition_by("__day", as_dict=True, include_key=False)
    return [(f"{found}", part) for (found,), part in days.items()]


def _only_partition(task: Task) -> str | None:
    """The partition of all records of the object, where there is one only."""
    keys = {task.contract.partitions.key_of(day.isoformat()) for day in (task.period.first, task.period.last)}
    return keys.pop() if len(keys) == 1 else None


def _own_partitions(rejects: pl.DataFrame, task: Task) -> pl.DataFrame:
    """Rejects, which tell their day, with the partition of their table in its place."""
    if task.contract.partitions is Partitions.DAY:
        return rejects
    if only := _only_partition(task):
        return rejects.with_columns(pl.lit(only).alias("day"))
    year = pl.when(pl.col("day") == NO_DAY).then(pl.col("day")).otherwise(pl.col("day").str.head(4))
    return rejects.with_columns(year.alias("day"))
