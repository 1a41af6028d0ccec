"""The collector and the replayer as programs: signals, sinks, exit codes."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from opensky_assets.console import error, say
from opensky_assets.live.collector import (
    POLL_STALL_S,
    POLL_TIMEOUT_S,
    Collector,
    DailyFlights,
    budget_of,
    check_access,
    open_polling_api,
    plan_texts,
    regions_of,
)
from opensky_assets.live.replayer import replay
from opensky_assets.live.schedule import SystemClock
from opensky_assets.live.sinks import LandingSink, Sink, open_landing_of
from opensky_assets.settings import Settings
from opensky_assets.sources.api import TERMS, ApiError
from opensky_assets.sources.keys import source_kind
from opensky_assets.sources.landing import open_api
from opensky_assets.storage.objects import LocalStore, ObjectStore, open_source
from opensky_assets.wording import plural


@dataclass(frozen=True)
class Ask:
    """What a user wants collected."""

    regions: Sequence[str] = ()
    anonymous: bool = False
    used: int = 0
    once: bool = False
    duration: float | None = None
    flights: bool = False


def show_plan(settings: Settings, ask: Ask) -> int:
    """Say what the credits pay for."""
    regions = regions_of(settings, ask.regions, ask.anonymous)
    for line in plan_texts(regions, budget_of(settings, ask.anonymous), ask.used, time.time()):
        say(line)
    return 0


def collect(settings: Settings, ask: Ask) -> int:
    """Poll until a signal, the duration, or once. The exit code: 1 where a single round had failures."""
    check_access(settings, ask.anonymous)
    regions = regions_of(settings, ask.regions, ask.anonymous)
    if ask.flights and ask.anonymous:
        raise ApiError("--flights needs OPENSKY_CLIENT_ID and OPENSKY_CLIENT_SECRET: leave --anonymous out")
    say(TERMS)
    with until_told() as stop:
        clock = SystemClock(stop)
        api = open_polling_api(settings, ask.anonymous, stop.is_set, clock.wait)
        with closing(api), closing(_open_sink(settings, False, stop, clock.wait)) as sink:
            collector = Collector(regions, api, sink, clock, budget_of(settings, ask.anonymous), say, ask.used)
            if ask.flights:
                collector.flights = _daily_flights(settings, sink, stop, clock.wait)
            if ask.once:
                collector.run_once()
            else:
                collector.run(ask.duration)
    say(f"{collector.polls:,} polls, {collector.failures:,} without an answer")
    return 1 if ask.once and collector.failures else 0


def replay_folder(settings: Settings, folder: str, speed: float | None) -> int:
    """Send what a folder has recorded. The exit code: 1 where an object of it does not read."""
    store = LocalStore(Path(folder))
    simulated = source_kind(store) == "simulated"
    with until_told() as stop:
        clock = SystemClock(stop)
        with closing(_open_sink(settings, simulated, stop, clock.wait)) as sink:
            result = replay(store, sink, clock, speed, say)
    for key, why in result.broken.items():
        error(f"warning: {key}: {why}")
    if result.left_out:
        say(
            f"skipped {plural(len(result.left_out), 'object')}, not named like a poll, an hourly file or flights, as "
            f"{result.left_out[0]}"
        )
    say(result.text())
    return 1 if result.broken else 0


@contextmanager
def until_told() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set, so that what is under way ends; a second Ctrl-C ends it at once."""
    stop = threading.Event()

    def handle(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _open_sink(settings: Settings, simulated: bool, stop: threading.Event, wait: Callable[[float], bool]) -> Sink:
    """Kafka where brokers are set, else the landing."""
    if settings.kafka.brokers:
        from opensky_assets.extras import require_extra

        require_extra("live")
        from opensky_assets.live.kafka import KafkaSink

        return KafkaSink(settings.kafka, settings.live.filter, stop.is_set, say)
    return LandingSink(open_landing_of(settings, simulated), wait, say)


def _daily_flights(
    settings: Settings, sink: Sink, stop: threading.Event, wait: Callable[[float], bool]
) -> DailyFlights:
    """Flights are landed whatever the sink: what is landed is not asked for again."""
    source: ObjectStore | None = open_source(settings)
    if isinstance(source, LocalStore) and not source.root.is_dir():
        source = None
    api = open_api(settings, say)
    api.timeout, api.stall = POLL_TIMEOUT_S, POLL_STALL_S  # polls wait meanwhile
    api.sleep, api.is_stopped = wait, stop.is_set
    on_answer = (lambda key, answer: None) if isinstance(sink, LandingSink) else sink.put_flights
    return DailyFlights(api, open_landing_of(settings, False), source, settings.api.airports, on_answer, say)
