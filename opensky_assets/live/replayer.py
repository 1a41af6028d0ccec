"""Recorded polls, hourly files and flights through the sinks, in the order of their times, at any speed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

import polars as pl

from opensky_assets.calendar import Period
from opensky_assets.ingest.blocks import Block, read_blocks
from opensky_assets.ingest.container import UNPACKING_ERRORS, CountingReader, plain
from opensky_assets.ingest.layout import Layout, WrongHeader, read_layout
from opensky_assets.ingest.parse import parse_block
from opensky_assets.live.polls import STATE_FIELDS, NoAnswer, Poll, read_flights, read_poll
from opensky_assets.live.schedule import Clock
from opensky_assets.live.sinks import Sink
from opensky_assets.schemas import STATE_VECTORS
from opensky_assets.schemas.api import STATES_API
from opensky_assets.sources.keys import FLIGHT_ANSWER, KeyFacts, read_key
from opensky_assets.storage.objects import ObjectStore, SourceObject

REGION = "replay"

_BROKEN: tuple[type[Exception], ...] = (NoAnswer, WrongHeader, *UNPACKING_ERRORS)

_STAMP = re.compile(r"(\d{8}T\d{6}Z)")


@dataclass
class ReplayResult:
    """What a replay sent. `left_out` names the objects that are no polls, hourly files or flights by their names,
    `broken` those that do not read, with the reason."""

    polls: int = 0
    states: int = 0
    rejected: int = 0
    flights: int = 0
    is_whole: bool = True
    left_out: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)

    def text(self) -> str:
        rejected = f", {self.rejected:,} records that are not states" if self.rejected else ""
        end = "" if self.is_whole else "; stopped before the end"
        return f"{self.polls:,} polls with {self.states:,} states{rejected}, {self.flights:,} flights sent{end}"


@dataclass(frozen=True)
class _Due:
    """An object to replay, at the time of its first state."""

    at: float
    item: SourceObject
    facts: KeyFacts | None


def replay(
    store: ObjectStore,
    sink: Sink,
    clock: Clock,
    speed: float | None,
    report: Callable[[str], None],
) -> ReplayResult:
    """Send what a folder or bucket has recorded. `speed` is how many recorded seconds pass in one; `None`: as fast as
    the sink takes them."""
    result = ReplayResult()
    start, first = clock.monotonic(), float("nan")
    for due in sorted(_objects(store, result), key=lambda due: (due.at, due.item.key)):
        try:
            if due.facts and due.facts.period is None:
                body = _bytes(store, due.item)
                result.flights += len(read_flights(body))
                sink.put_flights(_flights_key(due.item.key, body), body)
                continue
            for poll in _polls(store, due, result):
                first = poll.time if first != first else first
                left = (poll.time - first) / speed - (clock.monotonic() - start) if speed else 0
                if clock.wait(max(left, 0)):
                    result.is_whole = False
                    return result
                sink.put_poll(poll)
                result.polls += 1
                result.states += len(poll.states)
                result.rejected += poll.rejected
                if speed:
                    report(f"{datetime.fromtimestamp(poll.time, UTC):%Y-%m-%d %H:%M:%S}Z {len(poll.states):,} aircraft")
        except _BROKEN as error:
            result.broken[due.item.key] = str(error)
    return result


def _objects(store: ObjectStore, result: ReplayResult) -> Iterator[_Due]:
    for item in store.list():
        facts = read_key(item.key)
        if facts is None or facts.table not in ("state_vectors", "flights") or _is_list(facts):
            result.left_out.append(item.key)
        elif facts.epoch is not None:
            yield _Due(facts.epoch, item, facts)
        elif facts.period is not None and facts.hour is not None:
            day = datetime.combine(facts.period.first, datetime.min.time(), UTC).timestamp()
            yield _Due(day + 3600 * facts.hour, item, facts)
        else:
            stamp = _STAMP.search(item.key)
            at = datetime.strptime(stamp[1], "%Y%m%dT%H%M%S%z").timestamp() if stamp else 0
            yield _Due(at, item, facts)


def _is_list(facts: KeyFacts) -> bool:
    """Whether the key is a flight list's."""
    return facts.table == "flights" and facts.period is not None


def _polls(store: ObjectStore, due: _Due, result: ReplayResult) -> Iterator[Poll]:
    assert due.facts is not None and due.facts.period is not None
    if due.facts.epoch is not None:
        yield read_poll(_bytes(store, due.item), REGION, due.facts.epoch)
    else:
        yield from _hour(store, due.item, due.facts.period, result)


def _bytes(store: ObjectStore, item: SourceObject) -> bytes:
    with store.open(item) as raw, plain(CountingReader(raw, item.key), item.key) as stream:  # type: ignore[arg-type]
        return stream.read()


def _hour(store: ObjectStore, item: SourceObject, period: Period, result: ReplayResult) -> Iterator[Poll]:
    """The polls of an hourly file, one for each of its times. Records that break the contract are counted."""
    parts: list[pl.DataFrame] = []
    layout: Layout | None = None
    with store.open(item) as raw, plain(CountingReader(raw, item.key), item.key) as stream:  # type: ignore[arg-type]
        for block in read_blocks(stream):
            if layout is None:
                header, _, rest = block.data.partition(b"\n")
                layout = read_layout(header, STATE_VECTORS)
                block = Block(rest, block.first_line + 1, block.too_long)
            parsed = parse_block(block, layout, period)
            result.rejected += parsed.rejects.height
            parts.append(parsed.rows)
    if not parts:
        raise NoAnswer("is empty")
    rows = pl.concat(parts).sort("time", maintain_order=True)
    seconds = [
        (pl.col(column).dt.epoch("us") / 1e6).alias(column) for column in ("time", "lastposupdate", "lastcontact")
    ]
    named = [pl.col(column).alias(api) if column else pl.lit(None).alias(api) for api, column in STATES_API.items()]
    states = rows.with_columns(seconds).select(pl.col("time").cast(pl.Int64).alias("__time"), *named)
    for (time,), part in states.partition_by("__time", as_dict=True, include_key=False, maintain_order=True).items():
        arrays = part.rows()
        body = json.dumps({"time": time, "states": arrays}, separators=(",", ":")).encode()
        yield Poll(REGION, cast(int, time), [dict(zip(STATE_FIELDS, array, strict=True)) for array in arrays], 0, body)


def _flights_key(key: str, body: bytes) -> str:
    """The key under which a replayed answer of flights is landed: named by its content."""
    kind = FLIGHT_ANSWER.search(key)
    assert kind is not None
    name = "arrival" if "arrival" in kind[0] else "departure" if "departure" in kind[0] else "all"
    return f"flights_api/replay/flights_{name}_{hashlib.sha256(body).hexdigest()[:16]}.json.gz"
