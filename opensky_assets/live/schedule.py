"""When which region is polled next: the credit plan on clocks, made anew where credits are other than planned."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from opensky_assets.live.credits import DAY_S, CreditPlan, first_offsets, plan_credits
from opensky_assets.live.regions import Region

SETTLING_S = 300
"""For so long after a midnight (UTC) that a run has seen, an answer may still tell the credits of the day before."""


class Clock(Protocol):
    """Time, and waiting."""

    def now(self) -> float:
        """Unix seconds."""
        ...

    def monotonic(self) -> float: ...

    def wait(self, seconds: float) -> bool:
        """Wait so long; whether the program is to end."""
        ...


class SystemClock:
    """The machine's clocks; a wait ends at once where the program is to end."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float) -> bool:
        return self._stop.wait(max(seconds, 0))


class Schedule:
    """The polls of a collector. `budget` is how many credits a day it may spend, of which `used` are gone today.

    Due times are on the monotonic clock, so that a wall clock that is set does not shift them; only midnight is the
    wall clock's.
    """

    def __init__(
        self,
        regions: Sequence[Region],
        budget: int,
        clock: Clock,
        used: int = 0,
        on_plan: Callable[[CreditPlan], None] = lambda plan: None,
    ) -> None:
        self.regions, self.budget, self.clock, self.on_plan = tuple(regions), budget, clock, on_plan
        self.spent, self.credits = used, max(budget - used, 0)
        self.day = self._day()
        self._blocked_until: float | None = None
        self._settled_at = clock.monotonic()
        self._missed = False
        started = clock.monotonic()
        self.due = {name: started + offset for name, offset in first_offsets(regions).items()}
        self.plan = self._make_plan(stretch=1)

    def next(self) -> tuple[Region | None, float]:
        """Which region is to be polled, and in how many seconds; `None`: in so many seconds ask again."""
        if self._day() != self.day:
            self.day, self.spent, self._blocked_until = self._day(), 0, None
            self._settled_at = self.clock.monotonic() + SETTLING_S
            self._set_credits(self.budget, replan=True)
        now = self.clock.monotonic()
        if self._blocked_until is not None:
            if now < self._blocked_until:
                return None, self._blocked_until - now
            self._blocked_until = None
            self._set_credits(self.budget - self.spent, replan=True)
        midnight = self._seconds_to_midnight()
        region = min(self.regions, key=lambda region: self.due[region.name])
        wait = max(self.due[region.name] - now, 0)
        if region.credits > self.credits or wait >= midnight:
            return None, midnight
        return region, wait

    def polled(self, region: Region, answered: bool, remaining: int | None = None) -> None:
        """Note a poll. `remaining` is what the API says is left of the account's credits."""
        interval, now = region.interval_s * self.plan.stretch, self.clock.monotonic()
        self.due[region.name] += interval
        if self.due[region.name] < now:  # slots that passed meanwhile are not made up for
            self.due[region.name] += math.ceil((now - self.due[region.name]) / interval) * interval
            self._missed = True
        planned = self.credits - region.credits
        self.spent += region.credits if answered else 0
        credits = self.budget - self.spent
        if remaining is not None and now >= self._settled_at:
            credits = min(credits, remaining)
        self._set_credits(credits, replan=credits != planned or self._missed)

    def blocked(self, seconds: float) -> None:
        """Note that the API grants nothing for so long."""
        self._blocked_until = self.clock.monotonic() + seconds

    def _set_credits(self, credits: int, replan: bool) -> None:
        self.credits = max(credits, 0)
        if replan:
            self._missed = False
            self.plan = self._make_plan(self.plan.stretch)

    def _make_plan(self, stretch: float) -> CreditPlan:
        """The plan from now on, and when each region is due by it."""
        now = self.clock.monotonic()
        if math.isinf(stretch):
            offsets = first_offsets(self.regions)
        else:
            offsets = {name: max(due - now, 0) / stretch for name, due in self.due.items()}
        plan = plan_credits(self.regions, self.credits, self._seconds_to_midnight(), offsets)
        if math.isinf(plan.stretch):  # what is due at midnight starts afresh
            midnight = self._seconds_to_midnight()
            self.due = {name: now + midnight + offset for name, offset in first_offsets(self.regions).items()}
        else:
            self.due = {name: now + offset * plan.stretch for name, offset in offsets.items()}
        self.on_plan(plan)
        return plan

    def _day(self) -> int:
        return int(self.clock.now() // DAY_S)

    def _seconds_to_midnight(self) -> float:
        return DAY_S - self.clock.now() % DAY_S
