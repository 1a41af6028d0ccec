"""`opensky-assets report`: makes the page of a day or a range out of the lake, and shows it in the browser."""

from __future__ import annotations

import time
import webbrowser
from dataclasses import dataclass

from opensky_assets.console import say
from opensky_assets.lake import Lake
from opensky_assets.report.build import build_report, days_between, is_day
from opensky_assets.report.serve import PageServer


class ReportError(Exception):
    """There is no such report; the text says why and what to do."""


@dataclass(frozen=True)
class Range:
    """The days of a report."""

    first: str
    last: str


def choose_range(lake: Lake, day: str | None, first: str | None, last: str | None) -> Range:
    """The days that are meant: `day`, `first` to `last` or as far as the lake goes, or the newest day that the lake
    has. Raises `ReportError`."""
    for option, given in (("--day", day), ("--from", first), ("--to", last)):
        if given is not None and not is_day(given):
            raise ReportError(f"{option}: {given!r} is not a day; write it as 2022-06-25")
    if day is not None and (first is not None or last is not None):
        raise ReportError("--day is for one day, --from and --to are for a range; give one or the other")
    if first is not None and last is not None and first > last:
        raise ReportError(f"--from {first} is after --to {last}")
    known = days_between(lake, "0000", "9999")
    if not known:
        raise ReportError(f"the lake {lake} has no day yet; `opensky-assets materialize` brings days into it")
    if first is None and last is None:
        chosen = Range(day or known[-1], day or known[-1])
    else:
        chosen = Range(first or known[0], last or known[-1])
    if not any(chosen.first <= one <= chosen.last for one in known):
        days = chosen.first if chosen.first == chosen.last else f"{chosen.first} to {chosen.last}"
        raise ReportError(f"the lake {lake} has nothing of {days}; its days are from {known[0]} to {known[-1]}")
    return chosen


def report(lake: Lake, chosen: Range, open_page: bool) -> int:
    """Make the page, print where it is and, on request, show it until Ctrl-C."""
    made = build_report(lake, chosen.first, chosen.last)
    say(lake.address(made.page))
    if open_page:
        show(lake, made.page)
    return 0


def show(lake: Lake, page: str) -> None:
    """Serve the pages of the lake on a free port of loopback and open one in the browser; Ctrl-C ends it."""
    with PageServer(lambda: lake).running() as server:
        address = f"{server.address}/{page}"
        say(f"{address} (Ctrl-C ends it)")
        try:
            if not webbrowser.open(address):
                say("no browser was found here: open this address in one")
            while True:  # in short steps: a lock that is waited for without end can outlast Ctrl-C
                time.sleep(0.5)
        except KeyboardInterrupt:
            say()
