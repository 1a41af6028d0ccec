"""Reading again: what is in quarantine, what another version wrote; and not starting what the disk cannot hold."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from opensky_assets.ingest import plan
from opensky_assets.ingest.plan import Status, lake_bytes, make_plan
from opensky_assets.ingest.replay import Replay, replay
from opensky_assets.ingest.sync import SyncReport, sync_days
from opensky_assets.lake import LakeError
from opensky_assets.schemas import STATE_VECTORS
from opensky_assets.settings import load_settings
from opensky_assets.storage.files import LocalFiles
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests.lakes import LocalLake
from opensky_assets_tests.state_files import epoch, state, write_hour

DAY, TODAY = "2022-06-20", date(2022, 7, 1)
KEYS = [f"states/{DAY}/{hour:02d}/states_{DAY}-{hour:02d}.csv.gz" for hour in (3, 4, 5)]


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """Three hours: sound; one bad line of 31; one bad line of two, which is over the limit."""
    good = {hour: [state(epoch(DAY, hour, 10 * n)) for n in range(30)] for hour in (3, 4, 5)}
    write_hour(tmp_path / "bucket", DAY, 3, good[3])
    write_hour(tmp_path / "bucket", DAY, 4, [*good[4], "broken"])
    write_hour(tmp_path / "bucket", DAY, 5, [good[5][0], good[5][1].replace("4b1801", "no")])
    return tmp_path / "bucket"


def lake_of(bucket: Path) -> LocalLake:
    return LocalLake.at(bucket.parent / "lake")


def sync(bucket: Path, **settings: object) -> SyncReport:
    return sync_days(
        STATE_VECTORS, [DAY], LocalStore(bucket), lake_of(bucket), load_settings(**settings), TODAY, lambda text: None
    )


def again(bucket: Path, limit: float = 0.05, **filters: tuple[str, ...]) -> Replay:
    settings = load_settings(quarantine_limit=limit)
    return replay(LocalStore(bucket), lake_of(bucket), settings, TODAY, lambda text: None, **filters)


def test_only_objects_with_quarantined_records_are_read(bucket: Path) -> None:
    sync(bucket)
    done = again(bucket)
    assert [(o.key, o.written_before, o.written) for o in done.objects] == [(KEYS[1], 30, 30), (KEYS[2], 0, 0)]
    assert [o.reasons for o in done.objects] == [Counter(field_count=1), Counter(over_quarantine_limit=1)]
    assert done.changed_days == {}, "nothing was mended, nothing is to be made anew"


def test_a_mended_limit_lets_the_held_object_in(bucket: Path) -> None:
    sync(bucket)
    done = again(bucket, limit=0.5, reasons=("over_quarantine_limit",))
    (only,) = done.objects
    assert (only.key, only.written_before, only.written) == (KEYS[2], 0, 1)
    assert (only.reasons_before, only.reasons) == (Counter(over_quarantine_limit=1), Counter(bad_icao24=1))
    assert done.changed_days == {"state_vectors": [DAY]}
    assert lake_of(bucket).held("state_vectors") == {}


def test_a_mended_code_lets_the_record_in(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync(bucket)
    monkeypatch.setattr("opensky_assets.ingest.csv_format._split", lambda raw, fields: state(epoch(DAY, 4)).split(","))
    done = again(bucket, reasons=("field_count",))
    assert [(o.written_before, o.written, o.reasons) for o in done.objects] == [(30, 31, Counter())]
    assert not list(lake_of(bucket).path("quarantine/state_vectors").glob(f"day={DAY}/*"))


def test_filters(bucket: Path) -> None:
    sync(bucket)
    assert again(bucket, tables=("flights",)).objects == []
    assert again(bucket, reasons=("encoding",)).objects == []


def test_an_object_that_is_gone_is_named_and_left(bucket: Path) -> None:
    sync(bucket)
    (bucket / KEYS[1]).unlink()
    done = again(bucket, reasons=("field_count",))
    assert (done.objects, done.gone) == ([], [KEYS[1]])
    assert KEYS[1] in lake_of(bucket).manifests("state_vectors")


# --- another version -----------------------------------------------------------------------------------------------


def statuses(bucket: Path) -> list[str]:
    found = make_plan(LocalStore(bucket), lake_of(bucket), load_settings(), TODAY).objects
    return [str(o.status) for o in sorted(found, key=lambda o: o.source.key)][:2]


def test_what_another_version_wrote_is_read_on_request_only(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync(bucket)
    assert statuses(bucket) == [Status.UNCHANGED, Status.UNCHANGED]
    for module in ("plan", "kernel"):
        monkeypatch.setattr(f"opensky_assets.ingest.{module}.CODE_VERSION", "next")
    assert statuses(bucket) == [Status.OUTDATED, Status.OUTDATED]
    assert sync(bucket).read == []
    done = sync(bucket, refresh=True)
    assert [m.code_version for m in done.read] == ["next", "next"]
    assert statuses(bucket) == [Status.UNCHANGED, Status.UNCHANGED]
    assert sync(bucket, refresh=True).read == []


# --- the disk ------------------------------------------------------------------------------------------------------


def test_what_the_disk_cannot_hold_is_refused_before_a_byte_is_read(
    bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = make_plan(LocalStore(bucket), lake_of(bucket), load_settings(), TODAY).objects
    needed = lake_bytes(due)
    assert needed == pytest.approx(sum(o.source.size * plan.lake_bytes_per_source_byte(o.table) for o in due), abs=1)
    monkeypatch.setattr(LocalFiles, "free_bytes", lambda self: needed - 1)
    with pytest.raises(LakeError, match=r"GB free: free some space, set OPENSKY_LAKE"):
        sync(bucket)
    assert not lake_of(bucket).path("raw").exists()
    monkeypatch.setattr(LocalFiles, "free_bytes", lambda self: needed)
    assert len(sync(bucket).read) == 2


def test_free_bytes_of_a_lake_that_is_not_there_yet(tmp_path: Path) -> None:
    assert LocalLake.at(tmp_path / "not" / "there").files.free_bytes() > 0
