"""Who observes requests, and what a recording keeps of them."""

import pickle
from collections.abc import Sequence

import pytest

from opensky_assets.storage.telemetry import Attempt, Recording, Request, Totals, observing, record, recording


def request(key: str, received: int = 10, status: int | None = 200, retry: int = 0) -> Request:
    return Request(key, 1.0, 0.1, 0.2, received, status, retry)


def make(keys: str) -> None:
    for key in keys:
        Attempt(key).end()


def keys(requests: Sequence[Request]) -> str:
    return "".join(each.key for each in requests)


class Counter:
    """An observer that keeps no request, as metrics do."""

    def __init__(self) -> None:
        self.totals = Totals()

    def observe(self, request: Request) -> None:
        self.totals += Totals.of(request)

    def add(self, totals: Totals) -> None:
        self.totals += totals


def test_everyone_within_whose_block_a_request_ends_is_told() -> None:
    counter = Counter()
    make("a")
    with observing(counter), recording() as outer:
        make("b")
        with recording() as inner:
            make("c")
        make("d")
    make("e")
    assert (keys(outer.latest), keys(inner.latest), counter.totals.requests) == ("bcd", "c", 3)


def test_an_error_ends_the_block_and_takes_nothing_away() -> None:
    with recording() as outer:
        with pytest.raises(ValueError), recording() as inner:
            make("a")
            raise ValueError
        make("b")
    assert (keys(outer.latest), keys(inner.latest)) == ("ab", "a")


@pytest.mark.parametrize("limit", [0, 1, 3, 4, 100])
def test_a_recording_keeps_the_latest_and_counts_all(limit: int) -> None:
    made = [request("a"), request("b", status=None), request("c", 0, 503), request("d", 7, 206, retry=1)]
    recorded = Recording(limit)
    for each in made:
        recorded.observe(each)
    assert [*recorded.latest] == made[max(len(made) - limit, 0) :]
    assert recorded.totals == Totals(requests=4, received_bytes=27, retries=1, refusals=1)


@pytest.mark.parametrize("limit", [0, 2, 10])
def test_what_another_process_made_is_handed_over_with_what_it_could_not_keep(limit: int) -> None:
    with recording(limit) as there:
        make("abc")
    counter = Counter()
    with observing(counter), recording() as here:
        record(pickle.loads(pickle.dumps(there)))
    assert keys(here.latest) == "abc"[max(3 - limit, 0) :]
    assert here.totals == counter.totals == there.totals and here.totals.requests == 3
