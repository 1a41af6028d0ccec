"""The credit planner: which polls a day's credits pay for, so that they last until midnight UTC."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from opensky_assets.live.regions import Region

DAY_S = 86_400.0
ANONYMOUS_BUDGET, STANDARD_BUDGET, FEEDER_BUDGET = 400, 4_000, 8_000
"""Credits a day for `/states/all`: without an account, with one, and for an active feeder."""

MARGIN_S = 1.0
"""The first poll that is not paid for falls so long before midnight, where it waits for the next day's credits."""

_SPREAD = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class CreditPlan:
    """The rest of a day. All intervals are `stretch` times the requested ones; infinite where no poll is paid for.
    `polls` and `requested` count by region, `seconds` is the time left, `credits` what there is to spend."""

    regions: tuple[Region, ...]
    credits: int
    seconds: float
    stretch: float
    polls: Mapping[str, int]
    requested: Mapping[str, int]

    @property
    def is_short(self) -> bool:
        """Whether the requested polls cost more than there is."""
        return self.stretch > 1

    @property
    def spent(self) -> int:
        return sum(self.polls[region.name] * region.credits for region in self.regions)

    @property
    def requested_credits(self) -> int:
        return sum(self.requested[region.name] * region.credits for region in self.regions)

    @property
    def left(self) -> int:
        return self.credits - self.spent


def first_offsets(regions: Sequence[Region]) -> dict[str, float]:
    """When each region is polled first, in seconds from the start: spread over its interval, so that polls of several
    regions do not come at once."""
    return {region.name: region.interval_s * (at * _SPREAD % 1) for at, region in enumerate(regions)}


def plan_credits(
    regions: Sequence[Region], credits: int, seconds: float = DAY_S, offsets: Mapping[str, float] | None = None
) -> CreditPlan:
    """The plan for the `seconds` until midnight and the credits that are left. `offsets` are the seconds from now to
    each region's next poll, before stretching.

    The requested polls, in the order of their times, are paid for one by one. Where the credits end before the day,
    time is stretched so that the first poll that is not paid for falls on midnight. So all regions slow down by the
    same factor, and less than one poll's credits is left over, unless regions are due at the same moment then.
    """
    start = dict(first_offsets(regions) if offsets is None else offsets)
    polls = {region.name: 0 for region in regions}
    left, stretch = credits, 1.0
    for at, region in _requested(regions, start, seconds):
        if region.credits > left:
            stretch = max((seconds - MARGIN_S) / at, 1) if at > 0 else math.inf
            break
        left -= region.credits
        polls[region.name] += 1
    requested = {r.name: max(math.ceil((seconds - start[r.name]) / r.interval_s), 0) for r in regions}
    if not any(polls.values()) and any(requested.values()):
        stretch = math.inf
    return CreditPlan(tuple(regions), credits, seconds, stretch, polls, requested)


def _requested(regions: Sequence[Region], start: Mapping[str, float], seconds: float) -> Iterator[tuple[float, Region]]:
    """The requested polls, in the order of their times."""
    waiting = [(start[region.name], at, region) for at, region in enumerate(regions)]
    heapq.heapify(waiting)
    while waiting and waiting[0][0] < seconds:
        due, at, region = waiting[0]
        yield due, region
        heapq.heapreplace(waiting, (due + region.interval_s, at, region))


def plan_lines(plan: CreditPlan, budget: int, used: int = 0) -> Iterator[str]:
    """The plan as a table, for people."""
    yield (
        f"{'region':<16} {'box (lamin,lomin,lamax,lomax)':<30} {'sq. degrees':>11} {'credits':>7} {'requested':>9} "
        f"{'every':>8} {'polls':>7} {'spent':>7}"
    )
    for region in plan.regions:
        area = f"{region.box.square_degrees:,.0f}" if region.box else "world"
        every = _seconds(region.interval_s * plan.stretch) if plan.polls[region.name] else "never"
        yield (
            f"{region.name:<16} {region.box or ''!s:<30} {area:>11} {region.credits:>7} "
            f"{_seconds(region.interval_s):>9} {every:>8} {plan.polls[region.name]:>7,} "
            f"{plan.polls[region.name] * region.credits:>7,}"
        )
    yield (
        f"{plan.seconds / 3600:.1f} h until midnight UTC; {budget:,} credits a day, {used:,} used, {plan.credits:,} to "
        f"spend; requested {plan.requested_credits:,}, planned {plan.spent:,}, left over {plan.left:,}"
    )
    if plan.is_short:
        yield short_of_credits(plan)


def short_of_credits(plan: CreditPlan) -> str:
    """One line that says what is done about too few credits."""
    if math.isinf(plan.stretch):
        return f"short of credits: {plan.credits:,} are too few for a poll; new credits come at midnight UTC"
    return f"short of credits: all intervals are {plan.stretch:.2f} times the requested ones"


def _seconds(seconds: float) -> str:
    return f"{seconds:,.1f} s" if seconds < 100 else f"{seconds:,.0f} s"
