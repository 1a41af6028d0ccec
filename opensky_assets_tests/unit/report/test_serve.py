"""Pages over HTTP: on loopback, read only, nothing but pages."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from opensky_assets.lake import Lake, open_lake
from opensky_assets.report.serve import PageServer, pages_beside
from opensky_assets.settings import Settings, load_settings
from opensky_assets.storage.errors import LakeUnavailable

PAGE = "reports/day=2022-06-25/report.html"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("OPENSKY_LAKE", str(tmp_path / "lake"))
    for name in (
        PAGE,
        "reports/day=2022-06-25/map.png",
        "reports/day=2022-06-25/.env",
        "raw/flights/day=2022-06-25/x.html",
    ):
        path = tmp_path / "lake" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<p>{name}")
    (tmp_path / "secret.html").write_text("secret")
    return load_settings()


@pytest.fixture
def server(settings: Settings) -> Iterator[PageServer]:
    with PageServer(lambda: open_lake(settings)).running() as running:
        yield running


def ask(server: PageServer, path: str, method: str = "GET", host: str | None = None) -> http.client.HTTPResponse:
    port = server.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", f"127.0.0.1:{port}" if host is None else host)
    connection.endheaders()
    return connection.getresponse()


def test_a_page_and_its_pictures(server: PageServer) -> None:
    found = ask(server, f"/{PAGE}")
    assert (found.status, found.read()) == (200, f"<p>{PAGE}".encode())
    assert found.headers["Content-Type"] == "text/html; charset=utf-8"
    assert found.headers["Content-Security-Policy"].startswith("sandbox allow-scripts allow-downloads;")
    assert found.headers["X-Content-Type-Options"] == "nosniff"
    assert ask(server, "/reports/day%3D2022-06-25/map.png").headers["Content-Type"] == "image/png"
    assert ask(server, f"/{PAGE}", "HEAD").read() == b""


def test_the_list(server: PageServer) -> None:
    assert f'<a href="/{PAGE}">day=2022-06-25</a>'.encode() in ask(server, "/").read()


@pytest.mark.parametrize(
    "path",
    ["/raw/flights/day=2022-06-25/x.html", "/reports/../secret.html", "/reports/%2e%2e/secret.html", "/../secret.html",
     "/reports/day=2022-06-25/.env", "//etc/passwd", "/reports/day=2022-06-24/report.html"],
)  # fmt: skip
def test_nothing_else_of_the_lake(server: PageServer, path: str) -> None:
    found = ask(server, path)
    assert found.status == 404 and b"secret" not in found.read().split(b":")[0]


def test_a_foreign_name_is_refused(server: PageServer) -> None:
    for host in ("evil.example", f"evil.example:{server.server_address[1]}", "", "127.0.0.1.evil.example"):
        assert ask(server, f"/{PAGE}", host=host).status == 421
    assert ask(server, f"/{PAGE}", host="localhost:3001").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_it_is_read_only(server: PageServer, method: str) -> None:
    assert ask(server, f"/{PAGE}", method).status == 501


def test_it_listens_on_loopback(server: PageServer) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_a_lake_in_trouble_is_one_line() -> None:
    def broken() -> Lake:
        raise LakeUnavailable("the lake s3://b cannot be reached: try later")

    with PageServer(broken).running() as server:
        found = ask(server, f"/{PAGE}")
        assert (found.status, found.read()) == (502, b"the lake s3://b cannot be reached: try later\n")


def test_beside_the_ui(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    with PageServer(lambda: open_lake(settings)).running() as taken:
        port = taken.server_address[1]
        busy = settings.model_copy(update={"reports_url": f"http://127.0.0.1:{port}"})
        with pages_beside(busy):
            pass
    assert f"127.0.0.1:{port} cannot be listened on" in caplog.text and "OPENSKY_REPORTS_URL" in caplog.text
    with pages_beside(busy):
        free = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        free.request("GET", f"/{PAGE}")
        assert free.getresponse().status == 200


@pytest.mark.parametrize(
    ("ui", "reports", "wanted"),
    [
        ("http://127.0.0.1:3000", None, "http://127.0.0.1:3001"),
        ("http://127.0.0.1:4010/", None, "http://127.0.0.1:4011"),
        ("https://dagster.example", None, "http://127.0.0.1:3001"),
        ("https://dagster.example", "https://reports.example/", "https://reports.example"),
    ],
)
def test_where_links_lead(ui: str, reports: str | None, wanted: str) -> None:
    assert Settings(ui_url=ui, reports_url=reports).pages_url == wanted
