"""The collector: polls regions by the schedule and hands the answers to a sink, until it is told to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from opensky_assets.live.credits import (
    ANONYMOUS_BUDGET,
    STANDARD_BUDGET,
    CreditPlan,
    plan_credits,
    plan_lines,
    short_of_credits,
)
from opensky_assets.live.polls import NoAnswer, Poll, read_poll
from opensky_assets.live.regions import SHORTEST_ANONYMOUS_S, Region, RegionError, parse_regions
from opensky_assets.live.schedule import Clock, Schedule
from opensky_assets.live.sinks import Sink
from opensky_assets.settings import Settings
from opensky_assets.sources.api import TERMS, ApiError, ApiUnavailable, Credentials, CreditsSpent, OpenSkyApi
from opensky_assets.sources.landing import land_flights
from opensky_assets.storage.objects import ObjectStore, WritableStore

POLL_TIMEOUT_S, POLL_STALL_S = 30.0, 10.0
"""A poll that takes longer is given up, since the next one has newer states."""

LONGEST_WAIT_S = 60.0
"""So often the schedule is looked at, since a machine may sleep or its clock be set."""

FLIGHTS_HOUR, FLIGHTS_PAUSE_S = 6, 3 * 3600.0
"""From this hour (UTC) on yesterday's flights are asked for, and so long after that again where OpenSky was late."""


@dataclass
class Collector:
    """What a run of the collector needs. `budget` is credits a day, `used` those that are gone today."""

    regions: Sequence[Region]
    api: OpenSkyApi
    sink: Sink
    clock: Clock
    budget: int
    report: Callable[[str], None]
    used: int = 0
    flights: DailyFlights | None = None
    polls: int = 0
    failures: int = 0
    _stretch: float = field(default=1, init=False)

    def run_once(self) -> None:
        """Poll each region once, whatever the schedule says."""
        schedule = self._schedule()
        for region in self.regions:
            self._poll(region, schedule)
        if self.flights:
            self.flights.ask(self.clock.now())

    def run(self, duration: float | None = None) -> None:
        """Poll until the clock says that the program is to end, or for so many seconds. Raises what no later poll
        would mend."""
        ends = self.clock.monotonic() + duration if duration is not None else float("inf")
        schedule = self._schedule()
        while (left := ends - self.clock.monotonic()) > 0:
            if self.flights:
                self.flights.ask_if_due(self.clock.now())
            region, wait = schedule.next()
            step = min(wait, LONGEST_WAIT_S, left)
            if self.clock.wait(step):
                return
            if region is not None and step == wait and self.clock.monotonic() < ends:
                self._poll(region, schedule)

    def _schedule(self) -> Schedule:
        return Schedule(self.regions, self.budget, self.clock, self.used, self._tell_plan)

    def _poll(self, region: Region, schedule: Schedule) -> None:
        self.api.budget = self.api.spent + schedule.credits  # retries are paid for too
        self.api.remaining = None
        try:
            poll = read_poll(self.api.states(region.bounds, region.credits), region.name)
        except CreditsSpent as spent:
            self.failures += 1
            schedule.polled(region, answered=False)
            if spent.after is not None:
                schedule.blocked(spent.after)
                self._say(f"{region.name}: OpenSky grants no credits for {spent.after:,.0f} s; waiting")
            else:
                self._say(f"{region.name}: no response, and too few credits are left for a retry")
        except (ApiUnavailable, NoAnswer) as error:
            self.failures += 1
            schedule.polled(region, answered=False)
            self._say(f"{region.name}: {error}")
        else:
            self.polls += 1
            schedule.polled(region, answered=True, remaining=self.api.remaining)
            self.sink.put_poll(poll)
            self._say(f"{region.name}: {self._status(poll, schedule)}")

    def _status(self, poll: Poll, schedule: Schedule) -> str:
        unknown = f", {poll.rejected:,} records that are not states" if poll.rejected else ""
        age = self.clock.now() - poll.time
        return f"{len(poll.states):,} aircraft{unknown}, {schedule.credits:,} credits left, data {age:.0f} s old"

    def _tell_plan(self, plan: CreditPlan) -> None:
        if plan.is_short and not 0.95 < plan.stretch / self._stretch < 1.05:
            self._say(short_of_credits(plan))
        self._stretch = plan.stretch

    def _say(self, text: str) -> None:
        self.report(f"{datetime.fromtimestamp(self.clock.now(), UTC):%Y-%m-%d %H:%M:%S}Z {text}")


@dataclass
class DailyFlights:
    """Yesterday's flights, and the day before's where they are missing. `on_answer` has each answer before it is
    landed."""

    api: OpenSkyApi
    landing: WritableStore
    source: ObjectStore | None
    airports: Sequence[str]
    on_answer: Callable[[str, bytes], None]
    report: Callable[[str], None]
    _days: set[date] = field(default_factory=set)
    _next: float = 0

    def ask_if_due(self, now: float) -> None:
        if now >= self._next and datetime.fromtimestamp(now, UTC).hour >= FLIGHTS_HOUR:
            self._next = now + FLIGHTS_PAUSE_S
            self.ask(now)

    def ask(self, now: float) -> None:
        """Ask for what is not landed yet. Trouble that may end is told, and left to a later time."""
        today = datetime.fromtimestamp(now, UTC).date()
        for day in (today - timedelta(days=2), today - timedelta(days=1)):
            if day in self._days:
                continue
            self.api.spent = 0
            try:
                land_flights(
                    self.api,
                    self.landing,
                    day,
                    today,
                    self.report,
                    self.airports,
                    source=self.source,
                    on_answer=self.on_answer,
                )
                self._days.add(day)
            except (ApiUnavailable, ApiError) as error:
                self.report(f"flights of {day}: {error}")


def check_access(settings: Settings, anonymous: bool) -> None:
    """Raise `ApiError` where neither an API client is set nor its absence is wanted."""
    if settings.api.client_id is None and not anonymous:
        raise ApiError(
            "live data is off: set OPENSKY_CLIENT_ID and OPENSKY_CLIENT_SECRET, of an API client of your OpenSky "
            f"account, or give --anonymous ({ANONYMOUS_BUDGET} credits a day). {TERMS}"
        )


def regions_of(settings: Settings, given: Sequence[str], anonymous: bool) -> list[Region]:
    """The regions of the settings, or those that were `given`. Raises `RegionError`."""
    regions = parse_regions(list(given) or settings.live.regions.split(";"))
    for region in regions:
        if anonymous and region.interval_s < SHORTEST_ANONYMOUS_S:
            raise RegionError(
                f"region {region.name}: without an account an interval is at least {SHORTEST_ANONYMOUS_S:g} s, got "
                f"{region.interval_s:g}"
            )
    return regions


def budget_of(settings: Settings, anonymous: bool) -> int:
    """Credits a day for polls."""
    return settings.live.budget or (ANONYMOUS_BUDGET if anonymous else STANDARD_BUDGET)


def open_polling_api(
    settings: Settings, anonymous: bool, is_stopped: Callable[[], bool], wait: Callable[[float], bool]
) -> OpenSkyApi:
    """The API's client for polls."""
    credentials = None
    if not anonymous and settings.api.client_id and settings.api.client_secret:
        credentials = Credentials(settings.api.client_id, settings.api.client_secret)
    return OpenSkyApi(
        settings.api.url,
        settings.api.token_url,
        credentials,
        timeout=POLL_TIMEOUT_S,
        stall=POLL_STALL_S,
        sleep=wait,
        is_stopped=is_stopped,
    )


def plan_texts(regions: Sequence[Region], budget: int, used: int, now: float) -> list[str]:
    """What `collect --plan` shows: a whole day, and the rest of this one."""
    whole = plan_credits(regions, budget)
    rest = plan_credits(regions, max(budget - used, 0), 86_400 - now % 86_400)
    return ["A whole day:", *plan_lines(whole, budget), "", "From now on:", *plan_lines(rest, budget, used)]
