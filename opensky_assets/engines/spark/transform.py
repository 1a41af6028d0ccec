"""Enrichments on Spark: workers of the executors read, join and write; the driver publishes what they sent."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from opensky_assets.engines.chunks import CHUNK_ROWS, chunks_of, shares_of
from opensky_assets.engines.spark.stage import Share, Staged, stage_share
from opensky_assets.engines.spark.tasks import run_tasks
from opensky_assets.engines.to_sql import compile_enrichment
from opensky_assets.lake import Lake
from opensky_assets.lake.days import NewDay, Replaced, replace_days
from opensky_assets.transforms.enrich import Enrichment
from opensky_assets.transforms.inputs import Work, inputs_of_enrichment, states_given

if TYPE_CHECKING:
    from pyspark import SparkContext


def enrich_on_spark(context: SparkContext, what: Enrichment, lake: Lake, work: Work, snapshot: str) -> Replaced:
    """Publish `what` for the days of `work`. Raises `SparkGaveUp`, `LakeError`.

    A day's files are replaced whole: what an earlier run wrote of it, on whichever engine, goes.
    """
    query = compile_enrichment(what, snapshot)
    rows = rows_of_share(work, context.defaultParallelism)
    shares = shares_of(chunks_of(what, lake, work.files, rows), rows)
    numbered = [Share(number, share) for number, share in enumerate(shares)]
    with lake.run() as run:
        stage = partial(stage_share, query, what.result, lake, run)
        staged = [one for of_task in run_tasks(context, what.result.name, stage, numbered) for one in of_task]
        new = new_days(work, staged, states_given(what, work))
        return replace_days(lake, run, what.result.path, new, partial(inputs_of_enrichment, lake, what))


def rows_of_share(work: Work, cores: int) -> int:
    """So many rows for a task that each core gets one, and that none takes more than a few seconds."""
    rows = sum(of_file for files in work.files.values() for _, of_file in files)
    return max(1, min(CHUNK_ROWS, -(-rows // cores)))


def new_days(work: Work, staged: list[Staged], counts: dict[str, dict[str, int]]) -> dict[str, NewDay]:
    """The days of the work with the files that were staged for each."""
    by_day: dict[str, list[Staged]] = {}
    for one in staged:
        by_day.setdefault(one.output.day, []).append(one)
    new = {}
    for day, inputs in work.inputs.items():
        files = {one.output.path: one for one in sorted(by_day.get(day, ()), key=lambda one: one.output.path)}
        new[day] = NewDay(
            inputs,
            tuple(one.output for one in files.values()),
            {path: one.sent for path, one in files.items()},
            counts.get(day, {}),
            {path: one.digest for path, one in files.items()},
        )
    return new
