"""The monitor against what the system says of the same processes when they are over."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from opensky_assets.benchmark.cgroup import own_group, read_account
from opensky_assets.benchmark.monitor import Monitor
from opensky_assets.storage.telemetry import recording
from opensky_assets_tests.buckets import put
from opensky_assets_tests.loads import burn, download, start
from opensky_assets_tests.object_server import ObjectServer
from opensky_assets_tests.serving import serving

MB = 1 << 20
ROOT = Path(__file__).resolve().parents[3]
DISK = ROOT / "data"
"""On a disk, where /tmp may be memory."""


def measured(load: str, *arguments: object, interval_s: float = 1.0) -> Told:
    """What the monitor says of a load in a child, and what the system says, told by a process of its own: a child's
    mark of memory begins with its parent's, and pytest's is high."""
    given = (load, arguments, interval_s)
    code = f"from pathlib import *; from opensky_assets_tests.unit.benchmark.test_monitor import tell; tell(*{given!r})"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT, check=True)
    return Told(**json.loads(done.stdout))


@dataclass(frozen=True)
class Told:
    usage: dict[str, Any]
    cpu_s: float
    """Of the child and of its children, by the system."""
    peak_bytes: int
    written_bytes: int
    own_cpu_s: float
    resident_bytes: int
    """Of the process that waits for the child, at the start."""


def tell(load: str, arguments: tuple[object, ...], interval_s: float) -> None:
    began = time.process_time()
    with Monitor(interval_s) as monitor:
        _, status, outside = os.wait4(start(load, *arguments).pid, 0)
    own = time.process_time() - began
    assert status == 0
    told = Told(
        asdict(monitor.usage),
        outside.ru_utime + outside.ru_stime,
        outside.ru_maxrss * 1024,
        outside.ru_oublock * 512,
        own,
        monitor.samples[0].tree_rss_bytes,
    )
    print(json.dumps(asdict(told)))


@pytest.mark.parametrize("load", ["burn", "through_a_child"])
@pytest.mark.parametrize("seconds", [1.5, pytest.param(10.0, marks=pytest.mark.soak)])
def test_a_busy_core_is_counted_whoever_of_the_tree_keeps_it_busy(load: str, seconds: float) -> None:
    told = measured(load, *(["burn"] if load == "through_a_child" else []), seconds)
    assert told.cpu_s >= seconds
    assert told.usage["cpu_s"] == pytest.approx(told.cpu_s + told.own_cpu_s, rel=0.1)
    assert 0 < told.usage["mean_cores"] <= told.usage["peak_cores"] * 1.1
    assert told.usage["machine_cpu_s"] >= 0.9 * told.usage["cpu_s"]


def burned(seconds: float) -> tuple[int, float]:
    """The process that burned, and all the processor time that it has had."""
    burn(seconds)
    return os.getpid(), time.process_time()


def test_the_workers_of_a_pool_are_counted_from_their_start_on() -> None:
    began = time.process_time()
    with Monitor() as monitor, ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        told = dict(sorted(pool.map(burned, [0.6] * 4)))
    own = time.process_time() - began
    assert sum(told.values()) >= 2.4
    assert monitor.usage.cpu_s == pytest.approx(sum(told.values()) + own, rel=0.1)


def test_work_shorter_than_a_look_counts() -> None:
    told = measured("hold", 300, 0.05, interval_s=60)
    assert told.usage["cpu_s"] == pytest.approx(told.cpu_s + told.own_cpu_s, rel=0.1)
    assert told.usage["peak_rss_bytes"] - told.resident_bytes == pytest.approx(told.peak_bytes, rel=0.1)


def test_memory_that_was_held_is_told_though_it_is_given_back() -> None:
    told = measured("hold", 500, 1.5)
    assert told.peak_bytes >= 500 * MB
    assert told.usage["peak_rss_bytes"] - told.resident_bytes == pytest.approx(told.peak_bytes, rel=0.1)


def tell_own() -> None:
    """What the monitor says of 200 MB that this process held for a moment, beyond what it ever held before."""
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    more = highest - psutil.Process().memory_info().rss + 200 * MB
    with Monitor(60) as monitor:
        held = bytearray(b"x") * more
        del held
    print(json.dumps([highest, monitor.usage.peak_rss_bytes]))


def test_own_memory_between_two_looks_is_told() -> None:
    """In a process of its own: the one of pytest may have children of other tests."""
    code = "from opensky_assets_tests.unit.benchmark.test_monitor import tell_own; tell_own()"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT, check=True)
    highest, told = json.loads(done.stdout)
    assert told == pytest.approx(highest + 200 * MB, rel=0.1)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of each process what it writes to disks")
def test_what_is_written_to_the_disk_counts() -> None:
    DISK.mkdir(exist_ok=True)
    path = DISK / f"written-by-a-test-{os.getpid()}"
    try:
        told = measured("write", 200, path)
    finally:
        path.unlink()
    assert told.written_bytes >= 200 * MB
    assert told.usage["written_bytes"] == pytest.approx(told.written_bytes, rel=0.1)
    assert told.usage["read_bytes"] < 50 * MB


def test_what_the_source_layer_received_is_what_the_server_sent(tmp_path: Path) -> None:
    sizes = {f"objects/{n}": n * 10 * MB for n in (1, 2, 3, 4)}
    for key, size in sizes.items():
        put(tmp_path, key, os.urandom(1 << 10) * (size >> 10))
    with serving(ObjectServer(tmp_path)) as server:
        server.served.clear()
        with Monitor() as monitor, recording() as requests:
            assert download(server.store, sizes) == 100 * MB
        sent = sum(one.bytes for one in server.served)
    assert sent == requests.totals.received_bytes == 100 * MB
    assert requests.totals.requests == len(server.served) == 4
    assert (monitor.usage.machine_received_bytes or 0) < 10 * MB  # loopback is no network


def test_a_child_for_which_nobody_waits_counts() -> None:
    before = psutil.Process().cpu_times()
    with Monitor(0.1) as monitor:
        adopted = _orphan("burn", 0.8)
        psutil.wait_procs([adopted], 60)
    own = _grown(before)
    assert monitor.usage.cpu_s == pytest.approx(0.9 + own, rel=0.25)  # its start is looked at like the rest
    assert monitor.usage.cpu_s > 0.7


def _orphan(load: str, *arguments: object) -> psutil.Process:
    """A process whose parent ends once the monitor has seen it."""
    code = (
        "import sys, time; from opensky_assets_tests.loads import start; "
        f"print(start({load!r}, {', '.join(map(repr, arguments))}).pid, flush=True); time.sleep(0.4)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        return psutil.Process(int(parent.stdout.readline()))


def _grown(before: object) -> float:
    now = psutil.Process().cpu_times()
    return sum(now[:4]) - sum(before[:4])  # type: ignore[index]


def test_children_that_the_system_buries_count() -> None:
    old = signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody is told, nobody waits
    try:
        before = sum(psutil.Process().cpu_times()[:4])
        with Monitor(0.1) as monitor:
            child = psutil.Process(start("burn", 1.0).pid)
            psutil.wait_procs([child], 60)
        own = sum(psutil.Process().cpu_times()[:4]) - before
    finally:
        signal.signal(signal.SIGCHLD, old)
    assert monitor.usage.cpu_s - own == pytest.approx(1.1, abs=0.2)


def test_counters_never_fall_and_say_what_they_are() -> None:
    with Monitor(0.05) as monitor:
        for _ in range(4):
            start("burn", 0.1).wait()
    assert len(monitor.samples) >= 4
    for name in ("at", "tree_cpu_s", "machine_cpu_s", "tree_written_bytes", "machine_disk_busy_s"):
        values = [getattr(sample, name) for sample in monitor.samples]
        assert None in values or values == sorted(values), name
    assert monitor.usage.duration_s == pytest.approx(monitor.samples[-1].at - monitor.samples[0].at, abs=0.2)


def test_what_is_not_counted_is_missing_and_not_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: psutil.Process) -> None:
        raise psutil.AccessDenied(self.pid)

    monkeypatch.setattr(psutil.Process, "io_counters", denied)
    monkeypatch.setattr(psutil, "disk_io_counters", lambda perdisk: None)
    monkeypatch.setattr(psutil, "net_io_counters", lambda pernic: {})
    with Monitor() as monitor:
        pass
    usage = monitor.usage
    assert (usage.read_bytes, usage.written_bytes, usage.disk_by) == (None, None, None)
    assert (usage.machine_disk_busy_s, usage.machine_received_bytes, usage.machine_sent_bytes) == (None, None, None)
    told = " ".join(usage.missing)
    for name in ("read_bytes", "written_bytes", "machine_disk_busy_s", "machine_received_bytes"):
        assert name in told


def test_an_error_of_the_monitor_is_not_kept_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="no counters"), Monitor(0.01):
        monkeypatch.setattr(psutil, "cpu_times", _fail)
        time.sleep(0.2)


def _fail() -> None:
    raise RuntimeError("no counters")


IO_STAT = "8:0 rbytes=4096 wbytes=1048576 rios=1 wios=9 dbytes=0 dios=0\n259:1 rbytes=10 wbytes=20 rios=1 wios=1\n"


def test_a_control_group_s_account_is_read_as_the_kernel_writes_it(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n")
    (tmp_path / "io.stat").write_text(IO_STAT)
    (tmp_path / "memory.peak").write_text("734003200\n")
    account = read_account(tmp_path)
    assert (account.cpu_s, account.read_bytes, account.written_bytes) == (2.5, 4106, 1048596)
    assert account.peak_bytes == 734003200
    empty = read_account(tmp_path / "none")
    assert (empty.cpu_s, empty.read_bytes, empty.written_bytes, empty.peak_bytes) == (None, None, None, None)


def test_a_group_with_others_in_it_is_not_one_s_own(tmp_path: Path) -> None:
    proc, tree = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "self/cgroup").write_text("4:memory:/elsewhere\n0::/service/job\n")
    (proc / "self/mounts").write_text(f"tmpfs /run tmpfs rw 0 0\ncgroup2 {tree} cgroup2 rw 0 0\n")
    group = tree / "service/job"
    (group / "inner").mkdir(parents=True)
    (group / "cgroup.procs").write_text("10\n11\n")
    (group / "inner/cgroup.procs").write_text("12\n")
    assert own_group({10, 11, 12, 13}, proc) == group
    assert own_group({10, 11}, proc) is None
    (proc / "self/cgroup").write_text("4:memory:/elsewhere\n")
    assert own_group({10, 11, 12}, proc) is None
