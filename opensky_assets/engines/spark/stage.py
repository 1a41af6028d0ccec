"""The part of an enrichment that a Python worker of an executor does. It imports neither pyspark nor ibis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opensky_assets.engines.on_duckdb import Chunk, Query, read_enriched
from opensky_assets.lake import Lake, Staging
from opensky_assets.lake.days import digest_of
from opensky_assets.lake.manifest import OutputFile
from opensky_assets.lake.parquet import DayFiles, split_days
from opensky_assets.schemas import Contract
from opensky_assets.storage.files import Sent


@dataclass(frozen=True)
class Staged:
    """A file that is on its way into the lake, and the digest of its bytes."""

    output: OutputFile
    sent: Sent
    digest: str


@dataclass(frozen=True)
class Share:
    """The chunks of one task, and its number among the tasks of the run."""

    number: int
    chunks: Sequence[Chunk]


def stage_share(query: Query, result: Contract, lake: Lake, run: Staging, share: Share) -> list[Staged]:
    """Write the share's rows to files, one a day, as `write_days` would, and send them on their way into the lake."""
    with lake.task(run) as own:
        files = DayFiles(
            own.folder(result.name),
            result.path,
            lake.files.fresh(f"{result.name}-{share.number:05d}"),
            result.schema,
            metadata={"opensky.contract_version": result.version},
        )
        # One thread: a task of Spark has one core.
        for day, part in split_days(read_enriched(query, lake, share.chunks, threads=1)):
            files.write(day, part)
        paths, outputs = files.close()
        return [
            Staged(output, lake.files.send(paths[output.path], output.path), digest_of(paths[output.path]))
            for output in outputs
        ]
