"""Credits never run dry before midnight UTC, and are used where they are short."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensky_assets.live.credits import DAY_S, plan_credits, plan_lines
from opensky_assets.live.regions import KNOWN_BOXES, Box, Region, RegionError, parse_region, parse_regions
from opensky_assets.live.schedule import Schedule
from opensky_assets_tests.unit.live.clocks import FakeClock

MIDNIGHT = 20_000 * DAY_S


@st.composite
def boxes(draw: st.DrawFn) -> Box | None:
    if draw(st.integers(0, 9)) == 0:
        return None
    lamin, lomin = draw(st.floats(-90, 89)), draw(st.floats(-180, 179))
    height, width = draw(st.floats(0.1, 30)), draw(st.floats(0.1, 60))
    return Box(lamin, lomin, min(lamin + height, 90), min(lomin + width, 180))


@st.composite
def several_regions(draw: st.DrawFn) -> list[Region]:
    found = draw(st.lists(st.tuples(boxes(), st.floats(5, 7200)), min_size=1, max_size=8))
    return [Region(f"r{at}", box, interval) for at, (box, interval) in enumerate(found)]


def simulate_day(
    regions: list[Region], allowance: int, start: float = 0, used: int = 0, budget: int | None = None
) -> tuple[Counter[str], list[tuple[float, str]], int]:
    """Polls of the rest of a day against an account of so many credits, by a server that counts: polls by region, when,
    and the credits that are left."""
    clock = FakeClock(MIDNIGHT + start, MIDNIGHT + DAY_S)
    left, polls = allowance - used, []
    schedule = Schedule(regions, budget or allowance, clock)
    while True:
        region, wait = schedule.next()
        if clock.wait(wait):
            break
        if region is None:
            continue
        left -= region.credits
        assert left >= 0, f"dry at {clock.at - MIDNIGHT:.0f} s"
        polls.append((clock.at - MIDNIGHT, region.name))
        schedule.polled(region, answered=True, remaining=left)
    return Counter(name for _, name in polls), polls, left


@pytest.mark.parametrize(
    ("box", "credits"),
    [("0,0,5,5", 1), ("0,0,5,5.01", 2), ("0,0,10,10", 2), ("0,0,10,10.1", 3), ("0,0,20,20", 3), ("0,0,20,20.1", 4)],
)
def test_a_poll_costs_by_its_box(box: str, credits: int) -> None:
    assert parse_region(f"x={box}").credits == credits
    assert [Region(name, box).credits for name, box in KNOWN_BOXES.items()] == [4, 4, 4]


@given(several_regions(), st.sampled_from([400, 4_000, 8_000]))
def test_a_plan_is_paid_for_and_uses_what_there_is(regions: list[Region], budget: int) -> None:
    plan = plan_credits(regions, budget)
    assert 0 <= plan.spent <= budget and plan.stretch >= 1
    if plan.requested_credits > budget:
        assert plan.is_short and plan.left < max(region.credits for region in regions)
    else:
        assert plan.stretch == 1 and plan.polls == plan.requested
    assert len(list(plan_lines(plan, budget))) == len(regions) + 2 + plan.is_short


@given(several_regions(), st.sampled_from([400, 4_000]))
def test_a_day_never_runs_dry(regions: list[Region], budget: int) -> None:
    polls, _, left = simulate_day(regions, budget)
    requested = plan_credits(regions, budget).requested_credits
    if requested > budget:
        assert budget - left >= 0.9 * budget
    else:
        planned = plan_credits(regions, budget).requested
        # One that is due at midnight, but for the rounding of floats, may be either day's.
        assert all(planned[name] - 1 <= polls[name] <= planned[name] for name in planned)


@pytest.mark.parametrize("budget", [400, 4_000, 8_000])
@pytest.mark.parametrize("texts", [["europe@30", "north_america@30"], ["a=0,0,4,4@5", "b=0,0,9,9@7", "world@60"]])
def test_whole_days_of_each_kind_of_account(budget: int, texts: list[str]) -> None:
    regions = parse_regions(texts)
    polls, times, left = simulate_day(regions, budget)
    assert budget - left >= 0.99 * budget
    by_interval = {region.name: polls[region.name] * region.interval_s for region in regions}
    assert max(by_interval.values()) < 1.3 * min(by_interval.values())  # all slow down alike
    assert times[-1][0] > DAY_S - 2 * DAY_S / len(times) * len(regions)  # to the end of the day


@given(several_regions(), st.floats(0, DAY_S - 60), st.integers(0, 4_000))
def test_a_start_in_the_middle_of_a_day_takes_used_credits_into_account(
    regions: list[Region], start: float, used: int
) -> None:
    """What was used before the start is told by the first answer only."""
    if used > 4_000 - max(region.credits for region in regions):
        return
    _, _, left = simulate_day(regions, 4_000, start, used)
    asked = plan_credits(regions, 4_000 - used, DAY_S - start)
    if asked.is_short and asked.credits >= 400:
        assert 4_000 - used - left >= 0.9 * (4_000 - used)


def test_a_budget_below_the_accounts_is_kept() -> None:
    _, times, left = simulate_day([Region("world", None, 10)], 4_000, budget=1_000)
    assert len(times) == 250 and left == 3_000


def test_credits_that_somebody_else_uses_slow_it_down() -> None:
    clock = FakeClock(MIDNIGHT + 3600)
    stretches: list[float] = []
    schedule = Schedule([Region("world", None, 60)], 4_000, clock, on_plan=lambda plan: stretches.append(plan.stretch))
    region, _ = schedule.next()
    assert region is not None
    schedule.polled(region, True, remaining=40)
    assert schedule.plan.polls == {"world": 10} and stretches[-1] > 20 * stretches[0]


def test_a_new_day_has_new_credits_whatever_the_first_answers_say() -> None:
    clock = FakeClock(MIDNIGHT - 100)
    schedule = Schedule([Region("world", None, 10)], 4_000, clock, used=4_000)
    region, wait = schedule.next()
    assert region is None and 99 < wait <= 100 and math.isinf(schedule.plan.stretch)
    clock.wait(wait)
    region, wait = schedule.next()
    assert region is not None and wait < 10
    clock.wait(wait)
    schedule.polled(region, True, remaining=3)
    assert schedule.credits == 3_996
    clock.wait(400)
    schedule.next()
    schedule.polled(region, True, remaining=100)
    assert schedule.credits == 100


def test_a_start_right_after_midnight_believes_the_first_answer() -> None:
    schedule = Schedule([Region("world", None, 5)], 4_000, FakeClock(MIDNIGHT))
    region, _ = schedule.next()
    assert region is not None
    schedule.polled(region, True, remaining=15)
    assert (schedule.credits, schedule.plan.spent) == (15, 12)


def test_a_server_that_grants_nothing_is_left_alone() -> None:
    clock = FakeClock(MIDNIGHT + 100)
    schedule = Schedule([Region("world", None, 10)], 4_000, clock)
    schedule.blocked(500)
    assert schedule.next() == (None, 500)
    clock.wait(500)
    assert schedule.next()[0] is not None


def test_slots_that_passed_are_not_made_up_for() -> None:
    clock = FakeClock(MIDNIGHT)
    schedule = Schedule([Region("a", Box(0, 0, 1, 1), 100)], 8_000, clock)
    region, _ = schedule.next()
    assert region is not None
    clock.wait(1_050)
    schedule.polled(region, answered=False)
    assert schedule.next() == (region, 50)
    assert schedule.credits == 8_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("atlantis", "atlantis is unknown; give its box as"),
        ("a=1,2,3", "a box is lamin,lomin,lamax,lomax"),
        ("a=5,0,4,1", "latitudes must rise"),
        ("a=0,170,1,190", "two boxes"),
        ("a=nan,0,1,1", "latitudes must rise"),
        ("europe@1", "5 to 86400 seconds"),
        ("europe@soon", "5 to 86400 seconds"),
        ("Ä=0,0,1,1", "small letters"),
    ],
)
def test_a_region_that_cannot_be_polled(text: str, message: str) -> None:
    with pytest.raises(RegionError, match=message):
        parse_region(text)
    with pytest.raises(RegionError, match="named twice"):
        parse_regions(["europe", "europe=0,0,1,1"])
