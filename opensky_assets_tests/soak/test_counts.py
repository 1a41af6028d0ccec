"""The big counts: `make soak`. The same checks as `make test`, more often; each prints how far it is."""

import time
from collections import Counter

import pytest

from opensky_assets.ingest import runner
from opensky_assets_tests.integration.test_ingest_kills import check_kills
from opensky_assets_tests.integration.test_verdicts import ALL_NOT_THROTTLED, ALL_THROTTLED, run_and_judge
from opensky_assets_tests.throttled_runs import Bucket
from opensky_assets_tests.unit.ingest.test_faults import run_with_faults, undisturbed
from opensky_assets_tests.unit.ingest.test_parse import check_mutations

__all__ = ["undisturbed"]

pytestmark = pytest.mark.soak

MUTATIONS, FAULTS, KILLS = 100_000, 1_000, 200
AT_ONCE = 5_000
VERDICTS, VERDICT_HOURS, VERDICT_OBJECT_S, VERDICT_WORKERS = 10, 36, (0.35, 0.6), 3


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def test_mutations() -> None:
    files = 0
    for part in range(MUTATIONS // AT_ONCE):
        files += check_mutations(AT_ONCE, 1_000 + part)
        say(f"{(part + 1) * AT_ONCE:,} mutations in {files:,} files")


def test_faults(undisturbed, tmp_path) -> None:  # type: ignore[no-untyped-def]
    made = seed = 0
    while made < FAULTS:
        made += len(run_with_faults(undisturbed, tmp_path / f"{seed}", 10_000 + seed, FAULTS - made, 0.5))
        seed += 1
        say(f"{made:,} faults in {seed:,} buckets")


def test_kills(tmp_path) -> None:  # type: ignore[no-untyped-def]
    check_kills(tmp_path, KILLS, 200, say)


@pytest.mark.parametrize("kind", [*ALL_THROTTLED, *ALL_NOT_THROTTLED])
def test_verdicts(kind, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(runner, "SMALL_BYTES", 0)
    bucket = Bucket.simulated(tmp_path / "bucket", VERDICT_HOURS, VERDICT_OBJECT_S)
    wrong = []
    kinds: Counter[str] = Counter()
    for seed in range(VERDICTS):
        verdict, right, told = run_and_judge(kind, seed, bucket, tmp_path / f"lake{seed}", VERDICT_WORKERS)
        kinds[verdict.kind] += 1
        say(f"{kind}, {told}")
        if not right:
            wrong.append((told, verdict.evidence))
    say(f"{kind}: {', '.join(f'{name} {count}' for name, count in kinds.items())} of {VERDICTS}")
    assert not wrong
