"""Services of several lakes under one root: each is found, whichever lake the settings name. Here they are idle."""

import json
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from opensky_assets.dagster_home import dagster_home
from opensky_assets.jobs.service import NOT_RUNNING, dev, start, status, stop
from opensky_assets.settings import SettingsError

PARTS = ("code-server", "daemon", "webserver")


class Idle:
    """Starts what stands for the service of a lake: three processes, recorded as `start` records them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, stack: ExitStack) -> None:
        self.folder, self.monkeypatch, self.stack = folder, monkeypatch, stack

    def configure(self, lake: str, home: Path | None = None) -> None:
        self.monkeypatch.setenv("OPENSKY_LAKE", lake)
        if home:
            self.monkeypatch.setenv("DAGSTER_HOME", str(home))
        else:
            self.monkeypatch.delenv("DAGSTER_HOME", raising=False)

    def __call__(self, lake: str, port: int) -> list[psutil.Popen]:
        self.configure(lake)
        return self.at(dagster_home(self.folder), port)

    def at(self, home: Path, port: int) -> list[psutil.Popen]:
        (home / "service").mkdir(parents=True, exist_ok=True)
        processes = [psutil.Popen(["sleep", "600"]) for _ in PARTS]
        for n, (part, process) in enumerate(zip(PARTS, processes, strict=True)):
            self.stack.callback(process.wait)
            self.stack.callback(process.kill)
            record = {"pid": process.pid, "created": process.create_time(), "port": port + 2 - n}
            (home / "service" / f"{part}.json").write_text(json.dumps(record))
        return processes


@pytest.fixture
def idle(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with ExitStack() as stack:
        yield Idle(tmp_path, monkeypatch, stack)


def live(processes):
    return [p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes].count(True)


def test_status_names_the_service_of_another_lake(idle, tmp_path, capsys):
    idle("demo", 4000)
    idle.configure("real")
    assert status(tmp_path) == NOT_RUNNING
    assert capsys.readouterr().out == (
        f"the service does not run in {tmp_path}\n"
        f"also    the service of the lake {tmp_path}/demo at http://127.0.0.1:4000, 3 of 3 parts run\n"
    )
    assert not (tmp_path / "real").exists() and len([*(tmp_path / "data" / "dagster").iterdir()]) == 1


def test_stop_says_which_of_several_it_stops(idle, tmp_path, capsys):
    demo, real = idle("demo", 4000), idle("real", 4010)
    assert stop(tmp_path) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"of the lake {tmp_path}/real:" and told[1] == "ok      webserver    stopped"
    home = next(path.parent for path in tmp_path.glob("data/dagster/*/lake.json") if "/demo" in path.read_text())
    assert told[4:] == [
        f"still runs: the service of the lake {tmp_path}/demo; stop it with `DAGSTER_HOME={home} opensky-assets stop`"
    ]
    assert (live(demo), live(real)) == (3, 0)
    idle.configure("third", home)  # as the line says; the lake of the shell may be another
    assert stop(tmp_path) == 0 and live(demo) == 0


def test_stop_stops_the_only_one_and_none_of_two_that_are_of_other_lakes(idle, tmp_path, capsys):
    demo, real = idle("demo", 4000), idle("real", 4010)
    idle.configure("third")
    assert stop(tmp_path) == 1 and (live(demo), live(real)) == (3, 3)
    assert capsys.readouterr().out.count("still runs: ") == 2
    idle.configure("real")
    stop(tmp_path)
    idle.configure("third")
    assert stop(tmp_path) == 0 and live(demo) == 0
    assert f"of the lake {tmp_path}/demo:" in capsys.readouterr().out
    assert stop(tmp_path) == 0
    assert capsys.readouterr().out == f"the service does not run in {tmp_path}\n"


def test_the_service_that_an_older_version_started_is_found(idle, tmp_path, capsys):
    old = tmp_path / "data" / "dagster"
    processes = idle.at(old, 4000)
    (old / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    idle.configure("demo")
    assert stop(tmp_path) == 0 and live(processes) == 0
    assert "of the lake that its runs name:" in capsys.readouterr().out


def test_a_port_of_another_lakes_service_is_one_line(idle, tmp_path):
    idle("demo", 4000)
    idle.configure("real")
    told = rf"^port 4000 of 127\.0\.0\.1 is in use by the service of the lake {tmp_path}/demo: give another with --port"
    with pytest.raises(SettingsError, match=told):
        start(tmp_path, 4000)
    for arguments in (["--port", "4000"], ["--port=4000"], ["-p", "4000"]):
        with pytest.raises(SettingsError, match=told):
            dev(tmp_path, arguments)


def test_dev_does_not_run_beside_the_service_of_its_lake(idle, tmp_path):
    idle("demo", 4000)
    with pytest.raises(SettingsError, match=r"/demo runs at http://127\.0\.0\.1:4000: open that, or stop it with"):
        dev(tmp_path, [])


def test_a_service_whose_home_is_elsewhere_is_found_from_any_shell(idle, tmp_path, monkeypatch):
    from opensky_assets.jobs.service import Service, _leave_pointer

    elsewhere = tmp_path.with_name("elsewhere")
    idle.configure("demo", elsewhere)
    processes = idle.at(dagster_home(tmp_path), 4000)
    _leave_pointer(Service(tmp_path, elsewhere))
    idle.configure("demo")
    assert stop(tmp_path) == 0 and live(processes) == 0
