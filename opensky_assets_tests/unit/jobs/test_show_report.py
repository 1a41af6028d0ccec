"""`opensky-assets report`: which days are meant, and what is said where there are none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from opensky_assets.cli import main
from opensky_assets.jobs.show_report import Range, choose_range
from opensky_assets.lake import Lake, open_lake
from opensky_assets.settings import load_settings

DAYS = ("2022-06-25", "2022-06-26", "2022-06-28")


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENSKY_LAKE", str(tmp_path / "lake"))
    for day in DAYS:
        (tmp_path / "lake" / "raw" / "state_vectors" / f"day={day}").mkdir(parents=True)
    return open_lake(load_settings())


@pytest.mark.parametrize(
    ("day", "first", "last", "wanted"),
    [
        (None, None, None, Range("2022-06-28", "2022-06-28")),
        ("2022-06-26", None, None, Range("2022-06-26", "2022-06-26")),
        (None, "2022-06-26", None, Range("2022-06-26", "2022-06-28")),
        (None, None, "2022-06-26", Range("2022-06-25", "2022-06-26")),
        (None, "2022-06-27", "2022-07-01", Range("2022-06-27", "2022-07-01")),
    ],
)
def test_the_days(lake: Lake, day: str | None, first: str | None, last: str | None, wanted: Range) -> None:
    assert choose_range(lake, day, first, last) == wanted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--day", "2022-6-5"], "--day: '2022-6-5' is not a day; write it as 2022-06-25"),
        (["--day", DAYS[0], "--from", DAYS[0]], "give one or the other"),
        (["--from", DAYS[1], "--to", DAYS[0]], "--from 2022-06-26 is after --to 2022-06-25"),
        (["--day", "2022-06-27"], "has nothing of 2022-06-27; its days are from 2022-06-25 to 2022-06-28"),
        (["--to", "2022-06-01", "--from", "2022-05-01"], "has nothing of 2022-05-01 to 2022-06-01"),
    ],
)
def test_what_cannot_be_shown_is_one_line(
    lake: Lake, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", *arguments]) == 1
    said = capsys.readouterr()
    assert message in said.err and said.err.count("\n") == 1 and said.out == ""


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGINT to send")
def test_a_page_is_shown_until_ctrl_c(lake: Lake, tmp_path: Path) -> None:
    page = f"reports/day={DAYS[0]}/report.html"
    file = Path(lake.address(page))
    file.parent.mkdir(parents=True)
    file.write_text("<p>the day")
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    code = (
        # A shell may have started the tests with SIGINT ignored, which children inherit.
        "import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from opensky_assets.jobs.show_report import show\nfrom opensky_assets.lake import open_lake\n"
        "from opensky_assets.settings import load_settings\nshow(open_lake(load_settings()), sys.argv[1])"
    )
    command = [sys.executable, "-c", code, page]
    environment = {**os.environ, "BROWSER": f"{browser} %s"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as shown:
        assert shown.stdout is not None
        address = shown.stdout.readline().split()[0]
        try:
            assert httpx.get(address, trust_env=False).text == "<p>the day"
            shown.send_signal(signal.SIGINT)
            shown.communicate(timeout=60)
        finally:
            shown.kill()
    assert shown.returncode == 0
    assert (tmp_path / "opened").read_text().strip() == address


def test_an_empty_lake_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report"]) == 1
    assert "has no day yet; `opensky-assets materialize` brings days into it" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
