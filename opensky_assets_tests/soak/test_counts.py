"""The big counts: `make soak`. The same checks as `make test`, more often; each prints how far it is."""

import time

import pytest

from opensky_assets_tests.integration.test_ingest_kills import check_kills
from opensky_assets_tests.unit.ingest.test_faults import run_with_faults, undisturbed
from opensky_assets_tests.unit.ingest.test_parse import check_mutations

__all__ = ["undisturbed"]

pytestmark = pytest.mark.soak

MUTATIONS, FAULTS, KILLS = 100_000, 1_000, 200
AT_ONCE = 5_000


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
