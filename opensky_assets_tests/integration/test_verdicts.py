"""The verdict on real ingests: a throttle is told from everything else that makes a run slow, and where it sets in."""

import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from opensky_assets.benchmark.verdict import Kind, judge
from opensky_assets.ingest import runner
from opensky_assets_tests.throttled_runs import (
    MORE_NOT_THROTTLED,
    MORE_THROTTLED,
    NOT_THROTTLED,
    THROTTLED,
    Bucket,
    ingest,
)

ALL_THROTTLED = {**THROTTLED, **MORE_THROTTLED}
ALL_NOT_THROTTLED = {**NOT_THROTTLED, **MORE_NOT_THROTTLED}
WORKERS, SEEDS, HOURS, OBJECT_S = 2, 2, 16, (0.15, 0.3)


def run_and_judge(kind, seed, bucket, lake, workers):
    """What is said of a run, and whether it is right: a throttle is recognised, at most one request a worker from where
    the server says that it began, and nothing else is taken for one."""
    load = {**ALL_THROTTLED, **ALL_NOT_THROTTLED}[kind](random.Random(f"{kind} {seed}"), bucket)
    run = ingest(bucket, lake, load, workers)
    verdict = judge(run.requests, run.samples, run.workers, run.started_at, run.ended_at)
    told = f"seed {seed}: {verdict.kind}, confidence {verdict.confidence:.2f}"
    if kind in ALL_NOT_THROTTLED:
        return verdict, verdict.kind is not Kind.THROTTLED, told
    first = run.first_throttled
    assert first is not None, "the server throttled nothing"
    right = verdict.kind is Kind.THROTTLED and abs(verdict.from_request - first) <= workers
    return verdict, right, f"{told}, from request {verdict.from_request}, in truth {first}, of {len(run.requests)}"


class LastingPool(ProcessPoolExecutor):
    """Serves one run after another: starting processes takes longer than these runs."""

    def __exit__(self, *error):
        pass


@pytest.fixture(scope="module")
def pool():
    with pytest.MonkeyPatch.context() as patch:
        made = LastingPool(WORKERS, get_context("spawn"), runner._start_worker)
        patch.setattr(runner, "ProcessPoolExecutor", lambda *args, **options: made)
        patch.setattr(runner, "SMALL_BYTES", 0)
        yield
        made.shutdown()


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    return Bucket.simulated(tmp_path_factory.mktemp("hours") / "bucket", HOURS, OBJECT_S)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*THROTTLED, *NOT_THROTTLED])
def test_a_throttle_is_recognised_and_nothing_else_is_taken_for_one(kind, pool, bucket, tmp_path):
    """Tests beside it, on the same cores, may hide one throttle: the run then waits for them. The long test counts."""
    runs = [run_and_judge(kind, seed, bucket, tmp_path / f"lake{seed}", WORKERS) for seed in range(SEEDS)]
    assert sum(right for _, right, _ in runs) >= (1 if kind in THROTTLED else SEEDS), runs
