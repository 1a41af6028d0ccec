"""The engine of this machine: a pool of processes ingests, DuckDB in this process transforms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from opensky_assets.engines.chunks import chunks_of
from opensky_assets.engines.flights import flights_on_duckdb
from opensky_assets.engines.on_duckdb import read_enriched
from opensky_assets.engines.to_sql import compile_enrichment
from opensky_assets.ingest.kernel import Task
from opensky_assets.ingest.runner import Outcome, Report, ingest_objects
from opensky_assets.lake import Lake, Staging
from opensky_assets.lake.days import DayRows
from opensky_assets.storage.objects import ObjectStore
from opensky_assets.transforms.enrich import Enrichment
from opensky_assets.transforms.flights import Made
from opensky_assets.transforms.inputs import Work, inputs_of_enrichment, states_given, steady


@dataclass(frozen=True)
class LocalEngine:
    """An `Engine`. DuckDB has so many `threads` where it sorts; `None` is one a core."""

    threads: int | None = None

    def ingest(
        self, tasks: Sequence[Task], store: ObjectStore, lake: Lake, run: Staging, workers: int | None, report: Report
    ) -> list[Outcome]:
        return ingest_objects(tasks, store, lake, run, workers, report)

    def transform(self, what: Enrichment, lake: Lake, work: Work, snapshot: str) -> DayRows:
        """The rows, ordered by day. Memory does not grow with the days: they are read chunk by chunk."""
        query = compile_enrichment(what, snapshot)

        def batches() -> Iterator[pa.RecordBatch]:
            with steady(lake, what.raw, work.files):
                chunks = chunks_of(what, lake, work.files)
                yield from _one_ahead(read_enriched(query, lake, chunks, self.threads))

        reader = pa.RecordBatchReader.from_batches(query.schema, batches())
        return DayRows(reader, work.inputs, partial(inputs_of_enrichment, lake, what), states_given(what, work))

    def reconcile(self, lake: Lake, work: Work) -> Made:
        return flights_on_duckdb(lake, work, self.threads)


def _one_ahead(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same batches; while one is written, the next is made."""
    with ThreadPoolExecutor(1) as maker:
        coming = maker.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = maker.submit(next, batches, None)
            yield batch
