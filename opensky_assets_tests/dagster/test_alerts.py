"""Failed runs become one alert each cause, at a real webhook and a real mail server on loopback."""

from __future__ import annotations

import json
import shutil
import socketserver
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from logging import getLogger
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.storage.tags import WILL_RETRY_TAG
from dagster._core.test_utils import create_run_for_test, freeze_time
from dagster._daemon.sensor import execute_sensor_iteration

from opensky_assets.alerts import Alert, AlertNotSent, send
from opensky_assets.defs.automation.alerts import ALERT_TAG, ALERTED_TAG
from opensky_assets.settings import Settings
from opensky_assets_tests.dagster.conftest import Platform
from opensky_assets_tests.dagster.test_automation import ROOT, daemon
from opensky_assets_tests.flight_lists import flight, write_list
from opensky_assets_tests.serving import serving


class Hook(HTTPServer):
    """Takes JSON; answers 500 as often as `trouble` says."""

    def __init__(self) -> None:
        self.got: list[dict[str, str]] = []
        self.trouble = 0
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None: ...

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                troubled, hook.trouble = hook.trouble > 0, max(hook.trouble - 1, 0)
                if not troubled:
                    hook.got.append(body)
                self.send_response(500 if troubled else 200)
                self.end_headers()

        super().__init__(("127.0.0.1", 0), Handler)


class Mailbox(socketserver.TCPServer):
    """Speaks as much SMTP as one message needs. `said`: the lines that came in plain text, `private` those over TLS,
    which it offers where it is given a certificate."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.got: list[bytes] = []
        self.said: list[bytes] = []
        self.private: list[bytes] = []
        mailbox = self
        offers = b"250-STARTTLS\r\n" if certificate else b""
        answers = {
            b"EHLO": b"250-mail\r\n" + offers + b"250 AUTH PLAIN\r\n",
            b"AUTH": b"235 welcome\r\n",
            b"STAR": b"220 go on\r\n",
            b"DATA": b"354 go on\r\n",
            b"QUIT": b"221 bye\r\n",
        }

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                heard = mailbox.said
                self.wfile.write(b"220 ready\r\n")
                while line := self.rfile.readline():
                    heard.append(line)
                    verb = line[:4].upper()
                    self.wfile.write(answers.get(verb, b"250 ok\r\n"))
                    if verb == b"STAR":
                        assert certificate
                        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                        context.load_cert_chain(certificate)
                        self.request = context.wrap_socket(self.request, server_side=True)
                        self.setup()
                        heard = mailbox.private
                    if verb == b"DATA":
                        data = b"".join(iter(self.rfile.readline, b".\r\n"))
                        mailbox.got.append(data)
                        self.wfile.write(b"250 taken\r\n")
                    if verb == b"QUIT":
                        return

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def hook() -> Iterator[Hook]:
    with serving(Hook()) as server:
        yield server


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with serving(Mailbox()) as server:
        yield server


@pytest.fixture
def channels(hook: Hook, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ALERT_URL": f"http://127.0.0.1:{hook.server_port}/a-secret-path",
        "ALERT_EMAIL": "ops@example.org",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(mailbox.server_address[1]),
        "UI_URL": "http://ui.example/",
    }.items():
        monkeypatch.setenv(f"OPENSKY_{name}", value)


def react(platform: Platform, failed: dg.ExecuteInProcessResult | dg.DagsterRun) -> None:
    """What the daemon does for a failed run."""
    repository = platform.definitions.get_repository_def()
    sensor = repository.get_sensor_def("failure_alerts")
    (entry,) = platform.instance.all_logs(failed.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    event = entry.dagster_event
    run = platform.instance.get_run_by_id(failed.run_id)
    assert run is not None and event is not None
    with dg.build_run_status_sensor_context(
        sensor_name="failure_alerts",
        dagster_instance=platform.instance,
        dagster_run=run,
        dagster_event=event,
        resources={"opensky": platform.opensky},
    ) as context:
        sensor(context.for_run_failure())  # type: ignore[operator]


def broken(platform: Platform, day: str) -> dg.ExecuteInProcessResult:
    path = write_list(platform.bucket, day, day, [flight(day)] * 50)
    path.write_bytes(path.read_bytes()[:-20])
    return platform.run(["raw_flights"], day)


def test_one_alert_for_one_cause(platform: Platform, channels: None, hook: Hook, mailbox: Mailbox) -> None:
    failed = broken(platform, "2020-01-05")
    react(platform, failed)
    (got,) = hook.got
    assert got["assets"] == "raw_flights" and got["days"] == "2020-01-05"
    assert got.keys() == {"text", "title", "assets", "days", "reason", "link"}
    assert "flightlist_20200105_20200105.csv.gz" in got["reason"] and "\n" not in got["reason"]
    assert got["link"] == f"http://ui.example/runs/{failed.run_id}"
    mail = message_from_bytes(mailbox.got[0], policy=policy.default)
    assert mail["To"] == "ops@example.org"
    assert mail["Subject"] == "[opensky-assets] raw_flights failed for 2020-01-05"
    assert got["link"] in mail.get_content()

    react(platform, platform.run(["raw_flights"], "2020-01-05"))  # the same again
    assert (len(hook.got), len(mailbox.got)) == (1, 1)

    # A run that repeats it has its tags, and is no sign that it was told in these hours.
    told = platform.instance.get_run_by_id(failed.run_id)
    platform.instance.add_run_tags(failed.run_id, {ALERT_TAG: "another"})
    again = platform.run(["raw_flights"], "2020-01-05")
    platform.instance.add_run_tags(again.run_id, {name: told.tags[name] for name in (ALERT_TAG, ALERTED_TAG)})
    react(platform, again)
    assert (len(hook.got), len(mailbox.got)) == (2, 2)

    other = platform.run(["range_report"])
    assert not other.success
    react(platform, other)
    assert len(hook.got) == 3 and hook.got[2]["reason"].startswith("the lake has no data of these days")


def test_each_object_that_is_held_back_is_told(platform: Platform, channels: None, hook: Hook) -> None:
    for day in ("2020-01-05", "2020-03-05"):
        react(platform, broken(platform, day))
        assert f"flightlist_{day.replace('-', '')}" in hook.got[-1]["reason"]
    assert len(hook.got) == 2


def test_runs_whose_process_died_are_one_alert_that_says_what_they_were(
    platform: Platform, channels: None, hook: Hook
) -> None:
    for pid in (4242, 77):
        run = create_run_for_test(platform.instance, asset_selection=frozenset({dg.AssetKey("raw_flights")}))
        told = f"Run execution process for {run.run_id} unexpectedly exited with exit code -9 (pid {pid})."
        platform.instance.report_engine_event(told, run)
        platform.instance.report_run_failed(run)
        react(platform, run)
    (got,) = hook.got
    assert got["title"] == "raw_flights failed" and "exited with exit code -9" in got["reason"]


def test_a_run_that_will_be_retried_is_no_alert_yet(platform: Platform, channels: None, hook: Hook) -> None:
    failed = broken(platform, "2020-01-05")
    platform.instance.add_run_tags(failed.run_id, {WILL_RETRY_TAG: "true"})
    react(platform, failed)
    assert hook.got == []


@pytest.mark.slow
def test_a_sensor_that_fails_is_one_alert_until_the_cause_is_another(
    platform: Platform, channels: None, hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"SOURCE": platform.bucket, "LAKE": platform.lake.root, "ENV": "production"}.items():
        monkeypatch.setenv(f"OPENSKY_{name}", str(value))
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    platform.bucket.rmdir()
    with daemon(home) as (_, workspace):
        ticks_of_the_daemon(workspace, 3)
        (got,) = hook.got
        assert got["title"] == "sensor arrivals failed"
        assert got["reason"].startswith(f"the source {platform.bucket} is not a folder"), got["reason"]
        assert got["link"] == "http://ui.example/locations/opensky_assets/sensors/arrivals"
        platform.bucket.mkdir()
        platform.lake.root.write_text("no folder either")
        ticks_of_the_daemon(workspace, 2, after=3)
        assert len(hook.got) == 2 and str(platform.lake.root) in hook.got[1]["reason"]


def ticks_of_the_daemon(workspace: object, count: int, after: int = 0) -> None:
    """Iterations of the sensor daemon's own loop, a minute apart."""
    for n in range(after, after + count):
        with freeze_time(datetime.now(UTC) + timedelta(seconds=61 * n)):
            list(execute_sensor_iteration(workspace, getLogger("daemon"), None, None))  # type: ignore[arg-type]


def test_a_channel_in_trouble_stops_no_other_and_tells_no_secret(channels: None, hook: Hook, mailbox: Mailbox) -> None:
    alert = Alert("raw_flights", "2020-01-05", "why", "http://ui.example")
    hook.trouble = 1
    assert send(alert, Settings(_env_file=None)) == []
    hook.trouble = 100
    assert send(alert, Settings(_env_file=None)) == ["webhook: HTTPStatusError"]
    with pytest.raises(AlertNotSent, match="not sent by webhook: HTTPStatusError") as raised:
        send(alert, Settings(_env_file=None, alert_email=""))
    assert "a-secret-path" not in str(raised.value) and "a-secret-path" not in repr(Settings(_env_file=None))
    assert (len(hook.got), len(mailbox.got)) == (1, 2)


NOT_LOOPBACK = "0.0.0.0"
"""Connects to this machine, and is not among the addresses that are known to."""


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A key and a certificate of `NOT_LOOPBACK` that this process trusts."""
    path = tmp_path / "mail.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=mail", "-days", "2"]
    command += ["-addext", f"subjectAltName=IP:{NOT_LOOPBACK}", "-keyout", str(path), "-out", str(tmp_path / "cert")]
    subprocess.run(command, check=True, capture_output=True)
    with path.open("ab") as both:
        both.write((tmp_path / "cert").read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
    return path


def mail_settings(host: str, mailbox: Mailbox) -> Settings:
    port = mailbox.server_address[1]
    given = {"smtp_host": host, "smtp_port": port, "smtp_user": "ops", "smtp_password": "hunter2"}
    return Settings(_env_file=None, alert_email="ops@example.org", **given)


ALERT = Alert("raw_flights", "2020-01-05", "why", "http://ui.example")


def test_credentials_do_not_leave_the_machine_in_plain_text(mailbox: Mailbox) -> None:
    with pytest.raises(AlertNotSent, match="offers no STARTTLS, so the password is not sent; set OPENSKY_SMTP") as told:
        send(ALERT, mail_settings(NOT_LOOPBACK, mailbox))
    assert "hunter2" not in str(told.value) and "\n" not in str(told.value)
    assert mailbox.got == [] and not any(line.startswith(b"AUTH") for line in mailbox.said)
    assert sum(line.startswith(b"ehlo") for line in mailbox.said) == 1  # another attempt would find the same


def test_credentials_may_be_plain_on_this_machine(mailbox: Mailbox) -> None:
    for host in ("127.0.0.1", "localhost"):
        assert send(ALERT, mail_settings(host, mailbox)) == []
    assert len(mailbox.got) == 2 and sum(line.startswith(b"AUTH") for line in mailbox.said) == 2


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to make a certificate with")
def test_credentials_go_over_tls(certificate: Path) -> None:
    with serving(Mailbox(certificate)) as server:
        assert send(ALERT, mail_settings(NOT_LOOPBACK, server)) == []
        assert len(server.got) == 1
        assert not any(line.startswith(b"AUTH") for line in server.said)
        assert any(line.startswith(b"AUTH") for line in server.private)


def test_causes_are_the_same_whatever_the_day_and_the_counts() -> None:
    one = Alert("raw_flights", "2020-01-05", "3 objects of day 2020-01-05", "x")
    assert one.cause == Alert("raw_flights", "2020-01-06", "4 objects of day 2020-01-06", "y").cause
    runs = [Alert("raw_flights", "", f"run {uuid4()} died", "x").cause for _ in range(20)]
    assert len(set(runs)) == 1
    assert one.cause != Alert("raw_flights", "2020-01-05", "no space left", "x").cause
