"""Answers of the API as objects of the source, so that the kernel ingests them like any other object."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from opensky_assets.settings import Settings
from opensky_assets.sources.api import NO_FLIGHTS, ApiError, Credentials, OpenSkyApi
from opensky_assets.storage.errors import SourceError
from opensky_assets.storage.objects import ObjectStore, WritableStore

PREFIX = "flights_api/"
WINDOW = timedelta(hours=2)
DAY = timedelta(days=1)
SETTLED = 2 * DAY
"""After so long, OpenSky's nightly batch has surely filled in a day (it runs in the night after it)."""


@dataclass
class Landed:
    """Keys that were landed, those that were there already, those that wait for OpenSky's batch, and the credits it
    took."""

    landed: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    credits: int = 0
    remaining: int | None = None


class NotYet(ApiError):
    """OpenSky has not got the flights that were asked for yet."""


def open_api(
    settings: Settings,
    report: Callable[[str], None],
    spent: int = 0,
    on_spent: Callable[[int], None] = lambda spent: None,
) -> OpenSkyApi:
    """The client of the settings; `spent` credits of its budget are gone, `on_spent` is told of all that go. Raises
    `ApiError` where there are no credentials."""
    if settings.api.client_id is None or settings.api.client_secret is None:
        raise ApiError(
            "OpenSky's API needs credentials: set OPENSKY_CLIENT_ID and OPENSKY_CLIENT_SECRET, of an API client that "
            "you make on the account page of opensky-network.org"
        )
    return OpenSkyApi(
        settings.api.url,
        settings.api.token_url,
        Credentials(settings.api.client_id, settings.api.client_secret),
        settings.api.budget,
        spent=spent,
        on_spent=on_spent,
        report=report,
    )


def land_flights(
    api: OpenSkyApi,
    store: WritableStore,
    day: date,
    today: date,
    report: Callable[[str], None],
    airports: Sequence[str] = (),
    again: bool = False,
    source: ObjectStore | None = None,
    on_answer: Callable[[str, bytes], None] = lambda key, answer: None,
) -> Landed:
    """Ask for a day's flights and land each answer: all flights in windows of two hours, or, where `airports` (ICAO)
    are named, their arrivals and departures. What is landed already, in `store` or in the lake's `source`, is not asked
    for, unless `again`. An answer never takes the place of one that another run has landed since the source was listed.
    `on_answer` is told of each, by its key, before it is landed.

    An answer without flights is landed too, so that it is known to have been asked for; not so while the day may be
    waiting for OpenSky's nightly batch, which is until `today` is two days later. Raises what the client raises, and
    `NotYet` where the world, or all of the airports, are without flights; what was landed before that stays.
    """
    if not store.is_writable:
        raise SourceError(
            f"responses of the API cannot be stored in {store.uri}, which is read without credentials: use a folder or "
            "a bucket of your own as OPENSKY_SOURCE, with OPENSKY_SOURCE_ANONYMOUS=false"
        )
    done = Landed()
    there = {item.key: item for item in store.list(f"{PREFIX}{day}/")}
    elsewhere = {item.key for item in source.list(f"{PREFIX}{day}/")} if source else set()
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    asked: list[tuple[str, Callable[[], bytes]]] = []
    for airport in airports:
        end = begin + DAY - timedelta(seconds=1)
        asked.append((f"arrival_{airport}", lambda a=airport, e=end: api.flights_arrival(a, begin, e)))  # type: ignore[misc]
        asked.append((f"departure_{airport}", lambda a=airport, e=end: api.flights_departure(a, begin, e)))  # type: ignore[misc]
    for n in range(0 if airports else DAY // WINDOW):
        at = begin + n * WINDOW
        asked.append((f"all_{at:%Y-%m-%dT%H}", lambda b=at: api.flights_all(b, b + WINDOW)))  # type: ignore[misc]
    spent = api.spent
    for name, ask in asked:
        key = f"{PREFIX}{day}/flights_{name}.json.gz"
        if (key in there or key in elsewhere) and not again:
            done.there.append(key)
            continue
        answer = ask()
        if answer == NO_FLIGHTS and today - day < SETTLED:
            done.waiting.append(key)
            report(f"{key}: no flights yet")
            continue
        on_answer(key, answer)
        if not store.put(key, gzip.compress(answer, mtime=0), replaces=there.get(key)):
            done.there.append(key)  # another run was quicker
            report(f"{key}: stored by another run meanwhile")
            continue
        done.landed.append(key)
        report(f"{key}: {'no flights' if answer == NO_FLIGHTS else f'{len(answer):,} bytes'}")
    done.credits, done.remaining = api.spent - spent, api.remaining
    if done.waiting and (not airports or len(done.waiting) == len(asked)):
        raise NotYet(
            f"{len(done.waiting)} of {len(asked)} responses for {day} have no flights: OpenSky's nightly batch is "
            f"probably not complete. Run it again later; from {day + SETTLED} on, such responses are stored"
        )
    return done
