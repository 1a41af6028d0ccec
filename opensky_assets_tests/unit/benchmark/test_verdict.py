"""The verdict on made-up telemetry, of which it is known what held the run up."""

import dataclasses
import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opensky_assets.benchmark.curve import Curve
from opensky_assets.benchmark.sample import Sample
from opensky_assets.benchmark.verdict import Kind, judge
from opensky_assets.storage.telemetry import Request

SEEDS = st.integers(0, 2**32 - 1)
MB = 1e6


def made(count, *, workers=3, size=lambda n: 2e5, body=lambda n: 1e-4, head=0.003, work=0.02, begin=0.5, status=200):
    """Requests of workers that read and work in turn; `size` (bytes) and `body` (seconds of waiting) by number."""
    free = [begin + 0.001 * worker for worker in range(workers)]
    requests = []
    for n in range(count):
        at = free.index(min(free))
        waited = head + body(n)
        first = head if status else None
        requests.append(Request(f"o{n}", free[at], first, waited, int(size(n)), status, reading_s=waited, wait_s=0.0))
        free[at] += waited + work
    return requests


def samples(end, *, cpu=0.5, tree=0.5, disk=0.0, cpus=2, cpu_after=None, at=0.0):
    """One a second; `cpu`, `tree`, `disk` are used up a second (of one core, of one disk), from `at` on `cpu_after`."""
    found = []
    for second in [*np.arange(0, end, 1.0), end]:
        late = max(second - at, 0) if cpu_after is not None else 0
        busy = cpu * (second - late) + (cpu_after or 0) * late
        found.append(Sample(second, tree * second, 1, None, None, busy, cpus, disk * second, None, None))
    return found


def verdict(requests, workers=3, started_at=0.0, curve=None, **used):
    end = max(r.started_at + r.duration_s for r in requests) + 0.1
    return judge(requests, samples(end, **used), workers, started_at, end, curve)


def noisy(seed, spread=0.5):
    rng = random.Random(seed)
    return lambda seconds: seconds * rng.lognormvariate(0, spread)


def capped(seed, count, cut, drop, workers=3, **used):
    """From request `cut` on, bodies take `drop` times as long."""
    noise = noisy(seed, 0.15)
    return made(count, workers=workers, body=lambda n: noise(0.02 * (drop if n >= cut else 1)), **used)


@given(SEEDS, st.integers(12, 60), st.integers(12, 60), st.floats(30, 1000))
@settings(max_examples=50, derandomize=True)
def test_a_lasting_fall_to_a_lower_rate_is_a_throttle_from_there_on(seed, before, after, drop):
    """A far fall: of one to a tenth, with few requests on either side, one in a hundred is taken for a wandering
    line. Of 2,794 random ones, three were placed more than three requests too early: hence the same draws each time."""
    found = verdict(capped(seed, before + after, before, drop))
    assert found.kind is Kind.THROTTLED and abs(found.from_request - before) <= 3
    assert 0.9 < found.confidence <= 1 and f"from request {found.from_request + 1} of" in found.evidence[0]


@given(SEEDS, st.integers(20, 120), st.floats(0.01, 0.8))
@settings(max_examples=50, derandomize=True)
def test_rates_that_only_vary_are_no_throttle(seed, count, spread):
    noise = noisy(seed, spread)
    assert verdict(made(count, body=lambda n: noise(0.1))).kind is Kind.NETWORK


def test_a_line_whose_throughput_wanders_is_hardly_ever_taken_for_a_throttle():
    found = 0
    for seed in range(40):
        rng, wandering, waits = np.random.default_rng(seed), 0.0, []
        for _ in range(100):
            wandering = 0.8 * wandering + 0.6 * rng.normal()
            waits.append(0.1 * np.exp(0.6 * wandering))
        found += verdict(made(100, body=waits.__getitem__)).kind is Kind.THROTTLED
    assert found <= 2


@given(SEEDS, st.integers(-6, 6), st.integers(-10, 10), st.booleans())
@settings(max_examples=50, derandomize=True)
def test_neither_the_unit_of_time_nor_that_of_size_nor_the_order_given_matters(seed, times, sizes, is_capped):
    requests = capped(seed, 60, 25 if is_capped else 60, 50)
    end = max(r.started_at + r.duration_s for r in requests) + 0.1
    found = judge(requests, samples(end), 3, 0.0, end)
    t, s = 2.0**times, 2**sizes if sizes > 0 else 1
    scaled = [
        dataclasses.replace(
            r,
            started_at=r.started_at * t,
            first_byte_s=r.first_byte_s * t,
            duration_s=r.duration_s * t,
            reading_s=r.reading_s * t,
            received_bytes=r.received_bytes * s,
        )
        for r in requests
    ]
    random.Random(seed).shuffle(scaled)
    seen = [
        dataclasses.replace(x, at=x.at * t, tree_cpu_s=x.tree_cpu_s * t, machine_cpu_s=x.machine_cpu_s * t)
        for x in samples(end)
    ]
    again = judge(scaled, seen, 3, 0.0, end * t)
    assert (again.kind, again.from_request, again.confidence) == pytest.approx(
        (found.kind, found.from_request, found.confidence)
    )


@given(SEEDS, st.integers(20, 80), st.integers(20, 80))
@settings(max_examples=30, derandomize=True)
def test_smaller_objects_with_the_same_cost_a_request_are_no_throttle(seed, before, after):
    noise, sizes = noisy(seed, 0.2), random.Random(seed)
    size = [sizes.uniform(4e6, 9e6) if n < before else sizes.uniform(2e4, 9e4) for n in range(before + after)]
    requests = made(before + after, size=size.__getitem__, body=lambda n: noise(0.2 + size[n] / 1e8))
    assert verdict(requests).kind is Kind.NETWORK


def test_workers_that_start_one_after_the_other_and_share_a_narrow_line_are_no_throttle():
    """Alone the first has 2 MB/s; with each that comes, all have less of it."""
    requests = []
    free = [0.5, 4.0, 8.0, 12.0]
    for n in range(120):
        worker = free.index(min(free))
        at = free[worker]
        sharing = 1 + sum(start <= at for start in (4.0, 8.0, 12.0))
        waited = 0.2 * sharing
        requests.append(Request(f"o{n}", at, 0.001, waited + 0.001, 400_000, 200, reading_s=waited + 0.001))
        free[worker] = at + waited + 0.001
    assert verdict(requests, workers=4).kind is Kind.NETWORK


def test_a_fall_that_comes_with_a_saturated_cpu_is_not_held_against_the_server():
    requests = capped(1, 80, 40, 20)
    cut = requests[40].started_at
    assert verdict(requests, cpu=0.6, cpu_after=2.0, at=cut).kind is not Kind.THROTTLED
    assert verdict(requests, cpu=2.0, cpu_after=2.0, at=cut).kind is Kind.THROTTLED
    assert verdict(requests, cpu=0.6, cpu_after=0.6, at=cut).kind is Kind.THROTTLED


def test_a_fall_that_the_workers_do_not_wait_for_is_no_throttle():
    noise = noisy(2, 0.3)
    requests = made(80, work=0.5, body=lambda n: noise(0.05 if n >= 40 else 1e-4))
    assert verdict(requests, cpu=1.8, tree=1.8).kind is Kind.CPU


def test_a_few_slow_objects_are_no_throttle_wherever_they_are():
    for first in (0, 30, 56):
        requests = made(60, body=lambda n, first=first: 2.0 if first <= n < first + 4 else 0.001)
        assert verdict(requests).kind is not Kind.THROTTLED


def test_a_throttle_that_ends_is_named_from_where_it_began():
    noise = noisy(3, 0.3)
    requests = made(120, body=lambda n: noise(0.5 if 40 <= n < 80 else 0.001))
    found = verdict(requests)
    assert found.kind is Kind.THROTTLED and abs(found.from_request - 40) <= 3


def refused(requests, which, status=503):
    again = []
    for n, request in enumerate(requests):
        if n in which:
            at = request.started_at - 1e-6
            again.append(Request(which[n], at, 0.001, 0.001, 0, status, reading_s=0.001))
            request = dataclasses.replace(request, retry=1, wait_s=0.5)
        again.append(request)
    return again


@pytest.mark.parametrize("status", [429, 503])
def test_refusals_of_several_objects_are_a_throttle_from_the_first_on(status):
    found = verdict(refused(made(60), {n: f"o{n}" for n in range(20, 30)}, status))
    assert (found.kind, found.from_request) == (Kind.THROTTLED, 20)
    assert found.confidence == pytest.approx(11 / 12)
    assert found.evidence[0] == f"10 of 70 requests, of 10 objects, were refused with {status}"
    assert "5.0 s" in found.evidence[2]


def test_refusals_of_one_object_and_a_hiccup_in_a_thousand_are_no_throttle():
    assert verdict(refused(made(60), dict.fromkeys(range(20, 30), "o20"))).kind is not Kind.THROTTLED
    assert verdict(refused(made(1000), {100: "o100", 600: "o600"})).kind is not Kind.THROTTLED


@pytest.mark.parametrize(
    ("kind", "requests", "used"),
    [
        (Kind.CPU, made(60), {"cpu": 1.9, "tree": 1.9}),
        (Kind.CPU, made(60), {"cpu": 2.0, "tree": 0.4}),
        (Kind.NETWORK, made(60, body=lambda n: 0.2), {}),
        (Kind.NETWORK, made(60, head=0.2), {}),
        (Kind.DISK, made(60, body=lambda n: 0.2, status=None), {}),
        (Kind.DISK, made(60, work=0.1), {"disk": 0.95, "tree": 1.4}),
        (Kind.DISK, made(60, work=0.1), {"tree": 0.2}),
        (Kind.START_UP, made(10, begin=5.0), {}),
        (Kind.LINEAR, made(60, head=0.01, work=0.02), {"cpu": 1.4, "tree": 1.4}),
    ],
)
def test_what_takes_most_of_the_time_bounds_the_run(kind, requests, used):
    found = verdict(requests, **used)
    assert found.kind is kind and 0.5 <= found.confidence <= 1 and found.from_request is None


def test_a_network_bound_says_what_the_line_gives():
    found = verdict(made(60, workers=1, head=0.0, work=0.0, body=lambda n: 0.2), workers=1)
    assert found.evidence[-1].startswith("bytes come at 1 MB/s in all, and a first byte after 0 ms (median)")


def test_the_plans_looks_before_the_workers_are_there_count_as_start():
    looks = [Request(f"look{n}", 0.1 + n / 100, 0.001, 0.002, 500, 200, reading_s=0.002) for n in range(3)]
    assert verdict([*looks, *made(20, begin=5.0)]).kind is Kind.START_UP


def test_a_curve_over_sizes_says_what_the_start_costs():
    requests = made(60)
    assert verdict(requests, cpu=1.9, tree=1.9, curve=Curve(9.0, 0.1, 0.4)).kind is Kind.START_UP
    found = verdict(requests, cpu=1.9, tree=1.9, curve=Curve(1.0, 0.1, 0.4))
    assert found.kind is Kind.CPU and found.evidence[-1].startswith("runs of several sizes: 1.0 s to start")


def test_objects_that_are_read_several_times_over_count_each_time():
    requests = [dataclasses.replace(request, key=f"{n % 5}") for n, request in enumerate(made(60))]
    curve = Curve(2.0, 0.2, 0.4)  # 5 objects take 3 s, 60 take 14
    end = requests[-1].started_at + 1
    assert judge(requests, samples(end, cpu=1.9, tree=1.9), 3, 0.0, end, curve).kind is Kind.START_UP
    assert judge(requests, samples(end, cpu=1.9, tree=1.9), 3, 0.0, end, curve, files=60).kind is Kind.CPU


def test_counters_that_are_missing_are_named_and_none_is_made_up():
    requests = made(60)
    end = requests[-1].started_at + 1
    none = [dataclasses.replace(x, machine_disk_busy_s=None) for x in samples(end, tree=1.4)]
    assert "the use of disks is not known" in judge(requests, none, 3, 0.0, end).evidence
    nothing = judge(requests, [], 3, 0.0, end)
    assert nothing.kind is Kind.LINEAR and nothing.confidence <= 0.5
    assert {"the use of CPU is not known", "this run's use of CPU is not known"} < set(nothing.evidence)


def test_a_run_without_requests_is_all_start():
    assert judge([], [], 1, 0.0, 1.0).kind is Kind.START_UP


@pytest.mark.parametrize(("workers", "end"), [(0, 1.0), (1, 0.0)])
def test_a_run_needs_a_worker_and_time(workers, end):
    with pytest.raises(ValueError, match="a worker"):
        judge([], [], workers, 0.0, end)


def test_a_verdict_is_json():
    found = verdict(capped(1, 80, 40, 20)).to_json()
    assert json.loads(json.dumps(found))["kind"] == "throttled" and isinstance(found["evidence"], list | tuple)
