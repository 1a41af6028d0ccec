"""The checks a day of the raw tables: each passes on sound days and fails on a day made for it."""

import gzip
import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from opensky_assets.ingest import quality
from opensky_assets.ingest.quality import (
    Notice,
    connection,
    missing_hours,
    notices,
    read_days,
    repeats,
    stale_shares,
    usual_rows,
)
from opensky_assets.ingest.sync import sync_days
from opensky_assets.report.data import report_data
from opensky_assets.schemas import FLIGHTS, STATE_VECTORS
from opensky_assets.settings import load_settings
from opensky_assets.storage.objects import LocalStore
from opensky_assets.transforms.inputs import manifests_of
from opensky_assets_tests.dagster.conftest import Platform
from opensky_assets_tests.flight_lists import flight, write_list
from opensky_assets_tests.lakes import LocalLake
from opensky_assets_tests.state_files import answered, epoch, state, write_hour, write_poll

DAYS = [str(date(2022, 6, 20) + timedelta(days=n)) for n in range(4)]
LAST = DAYS[-1]


def ingest(platform: Platform, table: str = "state_vectors", held: int = 0) -> None:
    contract = {"flights": FLIGHTS, "state_vectors": STATE_VECTORS}[table]
    settings = load_settings(quarantine_limit=1)
    done = sync_days(
        contract, DAYS, LocalStore(platform.bucket), platform.lake, settings, date(2022, 7, 1), lambda text: None
    )
    assert len(done.messages) == held, done.messages


def evaluate(platform: Platform, asset: str, check: str) -> dg.AssetCheckEvaluation:
    """Run one check alone, for the last day."""
    key = dg.AssetCheckKey(dg.AssetKey(asset), check)
    job = platform.definitions.resolve_implicit_global_asset_job_def()
    result = job.get_subset(asset_selection=set(), asset_check_selection={key}).execute_in_process(
        instance=platform.instance, tags={"dagster/partition": LAST}, raise_on_error=False
    )
    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.severity == dg.AssetCheckSeverity.WARN
    return evaluation


def hour(platform: Platform, day: str, at: int, rows: int = 2, contact: float = 3) -> Path:
    return write_hour(platform.bucket, day, at, [state(epoch(day, at, 10 * n), contact=contact) for n in range(rows)])


@pytest.fixture
def sound(platform: Platform) -> Platform:
    """Four days of 24 hours each, and a poll in the last."""
    for day in DAYS:
        for at in range(24):
            hour(platform, day, at)
    write_poll(
        platform.bucket, epoch(LAST, 9, 5), [answered("4b1802", epoch(LAST, 9)), answered("4b1803", epoch(LAST, 9))]
    )
    return platform


def more_rows(platform: Platform) -> None:
    hour(platform, LAST, 5, rows=300)


def broken_lines(platform: Platform) -> None:
    write_hour(platform.bucket, LAST, 5, [state(epoch(LAST, 5)), "broken"])


def one_row_twice(platform: Platform) -> None:
    write_hour(platform.bucket, LAST, 5, [state(epoch(LAST, 5)), state(epoch(LAST, 5))])


def an_hour_less(platform: Platform) -> None:
    (platform.bucket / "states" / LAST / "07" / f"states_{LAST}-07.csv.gz").unlink()


def the_same_state_polled_twice(platform: Platform) -> None:
    write_poll(platform.bucket, epoch(LAST, 9, 95), [answered("4b1802", epoch(LAST, 9))])


def frozen_states(platform: Platform) -> None:
    for at in range(13):
        hour(platform, LAST, at, contact=16)


CASES: list[tuple[str, Callable[[Platform], None], str]] = [
    ("usual_row_count", more_rows, "348 rows, the median of the days before is 48"),
    ("quarantine_share", broken_lines, "2.00%"),
    ("unique_key", one_row_twice, "1 row"),
    ("hours_present", an_hour_less, "without 07"),
    ("polls_differ", the_same_state_polled_twice, "1 row"),
    ("fresh_contacts", frozen_states, "52.0%"),
]


@pytest.mark.parametrize("check", [name for name, _, _ in CASES])
def test_states_pass(sound: Platform, check: str) -> None:
    ingest(sound)
    evaluation = evaluate(sound, "raw_state_vectors", check)
    assert evaluation.passed, evaluation.metadata
    assert evaluation.metadata["days"].value == 1  # it has looked, and not passed for want of days


@pytest.mark.parametrize(("check", "spoil", "told"), CASES)
def test_states_fail(sound: Platform, check: str, spoil: Callable[[Platform], None], told: str) -> None:
    spoil(sound)
    ingest(sound)
    evaluation = evaluate(sound, "raw_state_vectors", check)
    assert not evaluation.passed
    assert evaluation.metadata[LAST].value == told


FLIGHT_CASES = [
    ("usual_row_count", [flight(LAST)], "1 row, the median of the days before is 20"),
    ("quarantine_share", [*(flight(LAST, hour=at) for at in range(2, 22)), "a,b"], "4.76%"),
    ("unique_key", [*(flight(LAST, hour=at) for at in range(2, 22)), flight(LAST, hour=5)], "1 row"),
]


@pytest.mark.parametrize(("check", "lines", "told"), FLIGHT_CASES)
def test_flights(platform: Platform, check: str, lines: list[str], told: str) -> None:
    for day in DAYS:
        write_list(platform.bucket, day, day, [flight(day, hour=at) for at in range(2, 22)])
    ingest(platform, "flights")
    assert evaluate(platform, "raw_flights", check).passed
    write_list(platform.bucket, LAST, LAST, lines)
    ingest(platform, "flights")
    evaluation = evaluate(platform, "raw_flights", check)
    assert not evaluation.passed
    assert evaluation.metadata[LAST].value == told


def test_all_run_with_the_asset_and_fail_no_run(sound: Platform) -> None:
    an_hour_less(sound)
    done = sound.run(["raw_state_vectors"], DAYS[0], LAST)
    assert done.success
    found = {e.check_name: e.passed for e in done.get_asset_check_evaluations()}
    assert {name for name, _, _ in CASES} < set(found)
    assert [name for name, passed in found.items() if not passed] == ["hours_present"]
    assert sound.metadata("raw_state_vectors", LAST)["hours_missing"] == [7]
    assert sound.metadata("raw_state_vectors", DAYS[0])["hours_present"] == list(range(24))


def test_a_day_of_polls_lacks_no_hours(platform: Platform) -> None:
    write_poll(platform.bucket, epoch(LAST, 9), [answered("4b1802", epoch(LAST, 9))])
    assert platform.run(["raw_state_vectors"], LAST).success
    assert "hours_missing" not in platform.metadata("raw_state_vectors", LAST)
    assert missing_hours(read_days(platform.lake, STATE_VECTORS, [LAST])) == {}


# --- the measures alone --------------------------------------------------------------------------------------------


def test_usual_rows_are_of_the_days_before(sound: Platform) -> None:
    more_rows(sound)
    ingest(sound)
    table = read_days(sound.lake, STATE_VECTORS, None)
    assert usual_rows(table) == {LAST: 48}


def test_days_of_polls_are_compared_with_days_of_polls(platform: Platform) -> None:
    """A day of polls after days of hourly files is no odd day, and not usual for those after it."""
    days = [str(date(2022, 6, 1) + timedelta(days=n)) for n in range(10)]
    for at, day in enumerate(days):
        if at % 2:
            write_poll(platform.bucket, epoch(day, 9), [answered("4b1802", epoch(day, 9))])
        else:
            write_hour(platform.bucket, day, 9, [state(epoch(day, 9, n)) for n in range(100)])
    settings, store = load_settings(quarantine_limit=1), LocalStore(platform.bucket)
    done = sync_days(STATE_VECTORS, days, store, platform.lake, settings, date(2022, 7, 1), lambda text: None)
    assert done.messages == []
    usual = usual_rows(read_days(platform.lake, STATE_VECTORS, None))
    assert usual == {days[6]: 100, days[7]: 1, days[8]: 100, days[9]: 1}


def test_a_report_counts_polls_only_where_there_are_no_hourly_files(sound: Platform) -> None:
    poll_day = "2022-06-19"
    write_poll(sound.bucket, epoch(poll_day, 9), [answered(f"4b18{n:02x}", epoch(poll_day, 9)) for n in range(5)])
    settings, store = load_settings(quarantine_limit=1), LocalStore(sound.bucket)
    days = [poll_day, *DAYS]
    sync_days(STATE_VECTORS, days, store, sound.lake, settings, date(2022, 7, 1), lambda text: None)

    of_all = report_data(sound.lake, poll_day, LAST, days).states
    assert of_all is not None and not of_all.polls
    assert (of_all.days, of_all.days_with_polls) == (DAYS, 2)
    assert of_all.aircraft_by_hour == [1] * 24  # LAST has a poll of two others at nine

    of_polls = report_data(sound.lake, poll_day, poll_day, [poll_day]).states
    assert of_polls is not None and of_polls.polls and of_polls.days == [poll_day]
    assert of_polls.aircraft_by_hour == [0] * 9 + [5] + [0] * 14


def test_what_a_report_says_of_its_days(sound: Platform) -> None:
    def said() -> list[tuple[str, str]]:
        of_days = manifests_of(sound.lake, STATE_VECTORS, DAYS)
        found = notices(sound.lake, STATE_VECTORS, DAYS[0], LAST, DAYS, of_days)
        return [(notice.check.removesuffix(" of raw_state_vectors"), notice.text) for notice in found]

    ingest(sound)
    assert said() == []
    path = write_hour(sound.bucket, LAST, 5, [*[state(epoch(LAST, 5))] * 3, "broken"])
    (sound.bucket / "states" / DAYS[1] / "07" / f"states_{DAYS[1]}-07.csv.gz").write_bytes(path.read_bytes()[:-9])
    ingest(sound, held=1)
    held, share, twice = said()
    assert held[0] == "nothing_held_back"
    assert held[1].startswith(f"1 object is held back: states/{DAYS[1]}/07/states_{DAYS[1]}-07.csv.gz: does not unpack")
    assert share == ("quarantine_share", f"more than 1 % of the records are in quarantine: 1.9 % on {LAST}")
    assert twice == ("unique_key", f"rows that repeat another one are counted too: 2 on {LAST}")


def test_missing_hours_are_said_in_a_report(sound: Platform) -> None:
    an_hour_less(sound)
    ingest(sound)
    found = notices(
        sound.lake, STATE_VECTORS, LAST, LAST, [LAST], list(manifests_of(sound.lake, STATE_VECTORS, [LAST]))
    )
    told = Notice("hours_present of raw_state_vectors", f"hours without a file (UTC): {LAST} is without 07")
    assert found == [told]


@pytest.mark.parametrize("batch_rows", [1, 7, 50, 1000])
def test_repeats_are_found_whatever_the_slices(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, batch_rows: int
) -> None:
    """Also across files, and where the time lies outside the day."""
    monkeypatch.setattr(quality, "BATCH_ROWS", batch_rows)
    for day in DAYS[:2]:
        at = epoch(day, 12)
        lines = [state(at + 10 * n, f"4b18{m:02x}", contact=0.5 * m) for n in range(10) for m in range(3)]
        write_hour(platform.bucket, day, 11, lines)
        write_hour(platform.bucket, day, 12, [*lines[:4], state(at + 500, contact=13 * 3600)])
    ingest(platform)
    table = read_days(platform.lake, STATE_VECTORS, DAYS)
    with connection(platform.lake) as duck:
        assert repeats(duck, table.files, "icao24", "time") == {day: 4 for day in DAYS[:2]}
        assert repeats(duck, table.files, "icao24", "lastcontact") == {day: 4 for day in DAYS[:2]}
        assert stale_shares(duck, table.files) == {day: pytest.approx(1 / 35) for day in DAYS[:2]}


def test_rows_without_a_contact_are_no_repeats(platform: Platform) -> None:
    records = [answered("4b1801", epoch(LAST, 9), last_contact=None)] * 2
    write_poll(platform.bucket, epoch(LAST, 9), records)
    ingest(platform)
    table = read_days(platform.lake, STATE_VECTORS, None)
    with connection(platform.lake) as duck:
        assert repeats(duck, table.poll_files, "icao24", "lastcontact") == {}
        assert stale_shares(duck, table.files) == {}


def test_nothing_to_look_at(tmp_path: Path) -> None:
    table = read_days(LocalLake.at(tmp_path), STATE_VECTORS, None)
    with connection(LocalLake.at(tmp_path)) as duck:
        assert (
            repeats(duck, table.files, "icao24", "time") == stale_shares(duck, table.files) == usual_rows(table) == {}
        )


def test_a_lost_file_does_not_break_the_others(platform: Platform) -> None:
    hour(platform, LAST, 1)
    path = hour(platform, LAST, 2)
    ingest(platform)
    next(platform.lake.path(f"raw/state_vectors/day={LAST}").glob(f"{path.name.split('.')[0]}*")).unlink()
    assert evaluate(platform, "raw_state_vectors", "unique_key").passed


def test_flight_answers_repeat_flights(platform: Platform) -> None:
    record = {"icao24": "4b1801", "firstSeen": epoch(LAST, 1), "lastSeen": epoch(LAST, 2), "callsign": "SWR1"}
    for kind in ("arrival", "departure"):
        path = platform.bucket / "flights" / f"{kind}_LSZH_1.json.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(json.dumps([record]).encode()))
    ingest(platform, "flights")
    assert not evaluate(platform, "raw_flights", "unique_key").passed
