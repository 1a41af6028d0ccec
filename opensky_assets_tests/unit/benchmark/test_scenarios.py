"""What the scenarios read, and in what state the page cache is before they do."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensky_assets.benchmark.scenarios import scenarios
from opensky_assets.benchmark.selection import (
    cached_share,
    cool_down,
    fingerprint,
    local_files,
    objects_of,
    select,
    warm_up,
)
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import Lake
from opensky_assets.schemas import FLIGHTS
from opensky_assets.settings import Settings
from opensky_assets.sources.keys import source_kind
from opensky_assets.storage.objects import LocalStore
from opensky_assets.storage.telemetry import recording
from opensky_assets_tests.buckets import TODAY, put, write_half_a_year

SETTINGS = Settings(_env_file=None)


def test_the_scenarios_are_5_and_shares_of_the_limit() -> None:
    assert [(s.name, s.files) for s in scenarios(500, 200)] == [("5", 5), ("20 %", 40), ("50 %", 100), ("100 %", 200)]
    assert [(s.name, s.files) for s in scenarios(500, 25)] == [("20 %", 5), ("50 %", 13), ("100 %", 25)]
    assert [(s.name, s.files, s.repeated) for s in scenarios(30, 50, repeat_files=True)][-1] == ("100 %", 50, 20)


@given(st.integers(1, 5000), st.integers(1, 5000), st.booleans())
def test_no_scenario_is_padded_unasked(available: int, limit: int, repeat: bool) -> None:
    found = scenarios(available, limit, repeat)
    counts = [scenario.files for scenario in found]
    assert counts == sorted(set(counts)) and counts[0] >= 1
    assert counts[-1] == (limit if repeat else min(limit, available))
    assert all(s.repeated == max(0, s.files - available) for s in found)
    assert repeat or not any(s.repeated for s in found)


def half_a_year(tmp_path: Path) -> LocalStore:
    """Six flight lists, that of April damaged, and an object that is none."""
    store = LocalStore(write_half_a_year(tmp_path / "bucket"))
    put(store.root, "readme.txt", b"not a table")
    return store


def test_a_selection_is_the_oldest_objects_each_once(tmp_path: Path) -> None:
    store = half_a_year(tmp_path)
    objects = objects_of(store, "flights", SETTINGS, TODAY, Lake.at(tmp_path / "empty"))
    assert [item.key[-15:-7] for item in objects] == [f"2019{month:02d}28" for month in range(1, 7)]
    selection = select(store, objects, 3)
    assert [item for item in selection.list() if item.key.startswith("flights")] == objects[:3]
    assert fingerprint(objects[:3]) != fingerprint(objects[:2])
    only_may = Settings(_env_file=None, month=5)
    assert len(objects_of(store, "flights", only_may, TODAY, Lake.at(tmp_path / "empty"))) == 1


def test_objects_read_several_times_over_are_objects_of_their_own(tmp_path: Path) -> None:
    store = half_a_year(tmp_path)
    put(store.root, "SIMULATED.txt", b"made up")
    objects = objects_of(store, "flights", SETTINGS, TODAY, Lake.at(tmp_path / "empty"))[:3]
    selection, lake = select(store, objects, 7), Lake.at(tmp_path / "lake")
    days = [date(2019, month, day).isoformat() for month in (1, 2, 3) for day in range(1, 29)]
    with recording() as requests:
        done = sync_days(FLIGHTS, days, selection, lake, SETTINGS, TODAY, print)
    assert len(done.read) == 7 and not done.failed
    assert sorted(manifest.read for manifest in done.read) == [201] * 7
    assert len({manifest.source.key for manifest in done.read}) == 7
    assert requests.totals.received_bytes == sum(objects[n % 3].size for n in range(7))
    assert source_kind(selection) == "simulated"


def test_files_are_warm_or_cold_before_a_run(tmp_path: Path) -> None:
    folder = Path(__file__).resolve().parents[3] / "data"  # on a disk, where /tmp may be memory
    folder.mkdir(exist_ok=True)
    path = folder / f"cached-by-a-test-{tmp_path.name}"
    path.write_bytes(random.Random(1).randbytes(5 << 20))
    try:
        warm_up([path])
        if (warm := cached_share([path])) is None:
            pytest.skip("this system does not tell what is cached")
        cool_down([path])
        assert (warm, cached_share([path])) == (1.0, 0.0)
    finally:
        path.unlink()


def test_the_files_behind_a_selection_are_named_once(tmp_path: Path) -> None:
    store = half_a_year(tmp_path)
    objects = objects_of(store, "flights", SETTINGS, TODAY, Lake.at(tmp_path / "empty"))
    assert len(local_files(select(store, objects, 20))) == 6
