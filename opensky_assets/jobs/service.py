"""Webserver, daemon and code server: as background processes of this machine by `opensky-assets start`, `status` and
`stop`, or one by one under somebody else's eye (systemd, containers) by `opensky-assets serve`.

What is known of the background processes of a lake is in the folder `service` of its DAGSTER_HOME: a record each (its
pid and address), and its log. Where that home is not below the root, the root has a pointer to it, so that each service
is found from any shell.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from opensky_assets.bootstrap import lock
from opensky_assets.console import error, say
from opensky_assets.dagster_home import (
    dagster_home,
    end_dead_runs,
    export_postgresql,
    history,
    history_place,
    home_of,
    homes,
    homes_folder,
    open_history,
    record_old_history,
)
from opensky_assets.history_lake import recorded_in
from opensky_assets.report.serve import pages_beside
from opensky_assets.settings import Settings, SettingsError, load_settings

LOOPBACK = "127.0.0.1"
CODE, DAEMON, WEB = "code server", "daemon", "webserver"
PARTS = (CODE, DAEMON, WEB)
"""In the order in which they start; they are stopped in the other."""

STARTED_SECONDS = 180
"""Until when a part must answer; on two idle cores all three need some 20 s."""
ANSWER_SECONDS = 10
STOPPED_SECONDS = 20
"""For an orderly end; whoever is still there then is killed."""

SLOW_START = {"DAGSTER_GRPC_TIMEOUT_SECONDS": "300"}
"""Dagster takes a run for failed whose process is not up within 60 s, as happens where many start at once on a busy
machine; the process then goes on all the same. The user's own value wins."""

NOT_RUNNING = 3
"""Exit code of `status` where nothing runs, as init scripts have it."""


class ServiceError(Exception):
    """A part of the service did not come up or does not answer; the text says which, why, and where its log is."""


@dataclass(frozen=True)
class Record:
    """A process that was started, and where it listens; the time tells it from a later one of the same number."""

    pid: int
    created: float
    port: int

    def process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if same else None


@dataclass(frozen=True)
class Service:
    """The service of one DAGSTER_HOME."""

    root: Path
    home: Path

    @property
    def folder(self) -> Path:
        return self.home / "service"

    @property
    def lake(self) -> str:
        """The lake that it is of, as messages name it."""
        return str(recorded_in(self.home) or "that its runs name")

    def log(self, part: str) -> Path:
        return self.folder / f"{part.replace(' ', '-')}.log"

    def _record(self, part: str) -> Path:
        return self.folder / f"{part.replace(' ', '-')}.json"

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace.yaml"

    def record(self, part: str) -> Record | None:
        try:
            return Record(**json.loads(self._record(part).read_text()))
        except (FileNotFoundError, ValueError):  # not there, or not whole
            return None

    def running(self) -> dict[str, Record]:
        """The parts whose process lives."""
        found = {part: self.record(part) for part in PARTS}
        return {part: record for part, record in found.items() if record is not None and record.process()}

    @contextmanager
    def locked(self) -> Iterator[None]:
        self.folder.mkdir(exist_ok=True)
        with lock(self.folder / "lock", "starting or stopping the service"):
            yield

    def launch(self, part: str, port: int) -> Record:
        """Start the process of a part, apart from this one, with a log of its own; the log before is kept."""
        log = self.log(part)
        if log.is_file():
            log.replace(log.with_suffix(".log.1"))
        with log.open("wb") as out:
            process = subprocess.Popen(
                command_of(part, self.root, self.workspace, LOOPBACK, port),
                cwd=self.root,
                env={**SLOW_START, **os.environ, "DAGSTER_HOME": str(self.home)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        record = Record(process.pid, psutil.Process(process.pid).create_time(), port)
        self._record(part).write_text(json.dumps(asdict(record)))
        return record

    def end(self, part: str) -> bool:
        """Stop the process of a part and all it started; whether there was one. Runs are processes of the code
        server."""
        record = self.record(part)
        process = record.process() if record else None
        if process is None:
            return False
        family = {process, *process.children(recursive=True)}
        process.terminate()
        _until_gone([process])
        if process.is_running():  # it may have started more since
            family |= set(process.children(recursive=True))
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        _until_gone(family)
        return True

    def trouble(self, part: str, record: Record, since: float = 0) -> str | None:
        """What a part does not do that it should; None where all is well."""
        if record.process() is None:
            return "its process has ended"
        return {CODE: _code_trouble, DAEMON: self._daemon_trouble, WEB: _web_trouble}[part](record, since)

    def _daemon_trouble(self, record: Record, since: float) -> str | None:
        from opensky_assets.dagster_private import silent_daemons

        with open_history(self.home) as instance:
            silent = silent_daemons(instance, since)
        return f"no heartbeat of {', '.join(silent)}" if silent else None

    def wait(self, part: str, record: Record) -> None:
        """Until the part answers. Raises `ServiceError` with the end of its log where it does not."""
        until = time.monotonic() + STARTED_SECONDS
        while trouble := self.trouble(part, record, record.created):
            if record.process() is None or time.monotonic() > until:
                last = "".join(
                    f"\n    {line}" for line in self.log(part).read_text(errors="replace").splitlines()[-15:]
                )
                raise ServiceError(f"the {part} did not start: {trouble}. The end of {self.log(part)}:{last}")
            time.sleep(0.25)

    @property
    def at(self) -> str:
        """Where its UI is, for the end of a sentence; empty where the webserver does not run."""
        web = self.running().get(WEB)
        return f" at http://{LOOPBACK}:{web.port}" if web else ""

    def how_to(self, command: str) -> str:
        return f"`DAGSTER_HOME={self.home} opensky-assets {command}`"

    def told(self, part: str, record: Record) -> str:
        address = {CODE: f"{LOOPBACK}:{record.port}, ", DAEMON: "", WEB: f"http://{LOOPBACK}:{record.port}, "}[part]
        return f"{part:<13}{address}pid {record.pid}, log {self.log(part)}"


def command_of(part: str, root: Path, workspace: Path, host: str, port: int) -> list[str]:
    """The program and arguments of a part."""
    from opensky_assets.dagster_private import DAEMON_MODULE

    return {
        CODE: [
            sys.executable, "-m", "dagster", "api", "grpc", "--host", host, "--port", str(port),
            "--location-name", "opensky_assets",
            "--module-name", "opensky_assets.definitions", "--working-directory", str(root),
        ],
        DAEMON: [sys.executable, "-m", DAEMON_MODULE, "run", "--workspace", str(workspace)],
        WEB: [
            sys.executable, "-m", "opensky_assets.jobs.webserver", "--host", host, "--port", str(port),
            "--workspace", str(workspace),
        ],
    }[part]  # fmt: skip


def own_workspace(folder: Path, home: Path) -> Path:
    """The workspace file of a folder; where it has none, one in `home` that loads the installed package, by the same
    name, so that schedules and sensors keep their state."""
    own = folder / "workspace.yaml"
    if own.is_file():
        return own
    written = home / "workspace.yaml"
    written.write_text(
        "load_from:\n  - python_module:\n"
        "      module_name: opensky_assets.definitions\n      location_name: opensky_assets\n"
    )
    return written


def workspace_at(host: str, port: int) -> str:
    """Dagster's workspace file for a code server."""
    return (
        "# Written by opensky-assets.\nload_from:\n  - grpc_server:\n"
        f"      host: {host}\n      port: {port}\n      location_name: opensky_assets\n"
    )


def serve(root: Path, part: str, host: str, port: int, code: tuple[str, int]) -> int:
    """Be one part in the foreground, over the history of the settings; `code` is where the code server listens."""
    service = Service(root.resolve(), dagster_home(root))
    service.folder.mkdir(exist_ok=True)
    with history(service.home):
        say(f"{part}: the history is {history_place(service.home)}")
    workspace = service.folder / f"workspace-of-{part}.yaml"
    workspace.write_text(workspace_at(*code))
    command = command_of(part, service.root, workspace, host, port)
    environment = {**SLOW_START, **os.environ, "DAGSTER_HOME": str(service.home)}
    if sys.platform == "win32":
        return subprocess.call(command, env=environment)
    os.execve(command[0], command, environment)


def start(root: Path, port: int) -> int:
    """Start all parts, each once the one before it answers; 0 where the service runs. If one does not come up, those
    before it are stopped again."""
    service = Service(root.resolve(), dagster_home(root))
    if load_settings().ui_url == Settings.model_fields["ui_url"].default:
        os.environ["OPENSKY_UI_URL"] = f"http://{LOOPBACK}:{port}"  # for the links in alerts
    with service.locked():
        running = service.running()
        troubles = {part: service.trouble(part, record) for part, record in running.items()}
        if len(running) == len(PARTS) and not any(troubles.values()):
            say(f"the service runs already, at http://{LOOPBACK}:{running[WEB].port}")
            return 0
        last_code = service.record(CODE)
        if len(running) == len(PARTS):
            say(f"stopped first: {'; '.join(f'the {part}: {told}' for part, told in troubles.items() if told)}")
        elif running:
            say(f"only {' and '.join(running)} still ran from an earlier start: stopped")
        _stop(service)
        try:
            _refuse_port_of(_find_services(root)[1], port)
            _refuse_taken(port)
            _leave_pointer(service)
            with history(service.home) as instance:
                ended = end_dead_runs(instance)
            say(f"ok      {'history':<13}{history_place(service.home)}")
            for run_id in ended:
                say(f"        run {run_id} died with an earlier service; it is now marked as failed")
            # At its old address the new server can tell that runs of the old one are gone.
            code_port = last_code.port if last_code and not _taken(last_code.port) else _free_port()
            service.workspace.write_text(workspace_at(LOOPBACK, code_port))
            for part, at in ((CODE, code_port), (DAEMON, 0), (WEB, port)):
                record = service.launch(part, at)
                service.wait(part, record)
                say(f"ok      {service.told(part, record)}")
        except ServiceError as failure:
            error(f"PROBLEM {failure}")
            _stop(service)
            say("the parts that were started are stopped again")
            return 1
        except BaseException:
            _stop(service)
            raise
    return 0


def stop(root: Path) -> int:
    """Stop all parts; 0 also where nothing runs. What of the runs is killed with them runs again after the
    next start.

    It is the service of the lake of the settings that is stopped, or, where that does not run, the only one that does.
    """
    own, others = _find_services(root)
    service = others[0] if len(others) == 1 and not own.running() else own
    ended = []
    if service.folder.is_dir():
        with service.locked():
            ended = _stop(service)
    if ended:
        say(f"of the lake {service.lake}:")
    for part in ended:
        say(f"ok      {part:<13}stopped")
    left = [other for other in others if other != service]
    if not ended:
        say(f"the service does not run in {service.root}")
    for other in left:
        say(f"still runs: the service of the lake {other.lake}; stop it with {other.how_to('stop')}")
    return 1 if left and not ended else 0


def status(root: Path) -> int:
    """Say how each part is: 0 where all run and answer, 3 where none runs, 1 otherwise. Services of other lakes are
    named after that."""
    settings = load_settings()
    export_postgresql(settings)
    record_old_history(root, settings)
    service, others = _find_services(root)
    code = _tell_parts(service)
    for other in others:
        count = f"{len(other.running())} of {len(PARTS)} parts run"
        say(f"also    the service of the lake {other.lake}{other.at}, {count}")
    return code


def _tell_parts(service: Service) -> int:
    if not service.running():
        say(f"the service does not run in {service.root}")
        return NOT_RUNNING
    problems = 0
    for part in PARTS:
        record = service.record(part)
        trouble = service.trouble(part, record) if record else "was not started"
        problems += trouble is not None
        say(f"{'PROBLEM' if trouble else 'ok':<8}{service.told(part, record) if record else part:<13}")
        if trouble:
            say(f"{'':<21}{trouble}: `opensky-assets start` restarts all parts")
    return 1 if problems else 0


def dev(root: Path, arguments: Sequence[str]) -> int:
    """`dagster dev` on loopback, over the same history as every other command. Raises `SettingsError` where a service
    runs on that history: two daemons would start each run twice."""
    home = dagster_home(root)
    own, others = _find_services(root)
    if own.running():
        raise SettingsError(
            f"the service of the lake {own.lake} runs{own.at}: open that, or stop it with `opensky-assets stop`"
        )
    if port := re.search(r"(?:^| )(?:-p|--port)[ =]?(\d+)", " ".join(arguments)):
        _refuse_port_of(others, int(port[1]))
    with history(home) as instance:
        end_dead_runs(instance)
    workspace = ["-w", str(own_workspace(root, home))]
    command = [sys.executable, "-m", "dagster", "dev", *workspace, "-h", LOOPBACK, *arguments]
    with pages_beside(load_settings()):  # where the UI's links to reports lead
        return subprocess.call(command, env={**os.environ, "DAGSTER_HOME": str(home)})


def _find_services(root: Path) -> tuple[Service, list[Service]]:
    """The service of the lake of the settings, and those of other lakes that run below the same root."""
    settings = load_settings()
    own = Service(root.resolve(), home_of(root, settings))
    pointed = [Path(pointer.read_text()) for pointer in sorted(_pointers(root, settings).glob("*.home"))]
    known = [Service(own.root, home) for home in dict.fromkeys([*homes(root, settings), *pointed])]
    return own, [service for service in known if service != own and service.running()]


def _pointers(root: Path, settings: Settings) -> Path:
    return homes_folder(root, settings) / "elsewhere"


def _leave_pointer(service: Service) -> None:
    settings = load_settings()
    if not service.home.is_relative_to(homes_folder(service.root, settings)):
        folder = _pointers(service.root, settings)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = hashlib.sha256(str(service.home).encode()).hexdigest()[:12]
        (folder / f"{name}.home").write_text(str(service.home))


def _stop(service: Service) -> list[str]:
    return [part for part in reversed(PARTS) if service.end(part)]


def _until_gone(processes: Iterable[psutil.Process]) -> None:
    """Or until they had time enough; one that nobody waits for any more is gone too."""
    until = time.monotonic() + STOPPED_SECONDS
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < until:
                time.sleep(0.1)


def _code_trouble(record: Record, since: float) -> str | None:
    from opensky_assets.dagster_private import answers

    return None if answers(LOOPBACK, record.port) else "it does not answer"


def _web_trouble(record: Record, since: float) -> str | None:
    import httpx

    query = "{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename } } } } }"
    try:
        with httpx.Client(trust_env=False, timeout=ANSWER_SECONDS) as client:  # no proxy stands between
            told = client.post(f"http://{LOOPBACK}:{record.port}/graphql", json={"query": query}).raise_for_status()
        entries = told.json()["data"]["workspaceOrError"]["locationEntries"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as failure:
        return f"it does not answer ({type(failure).__name__})"
    loaded = [entry["locationOrLoadError"]["__typename"] for entry in entries if entry["locationOrLoadError"]]
    return None if loaded == ["RepositoryLocation"] else f"it does not show the code location: {loaded or 'loading'}"


def _refuse_port_of(services: Iterable[Service], port: int) -> None:
    for service in services:
        if port in (record.port for record in service.running().values()):
            raise SettingsError(
                f"port {port} of {LOOPBACK} is in use by the service of the lake {service.lake}: give another with "
                f"--port, or stop that service with {service.how_to('stop')}"
            )


def _refuse_taken(port: int) -> None:
    if _taken(port):
        raise ServiceError(f"port {port} of {LOOPBACK} is in use: stop what listens there, or give another with --port")


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        if sys.platform != "win32":  # there it lets two listen at one port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
