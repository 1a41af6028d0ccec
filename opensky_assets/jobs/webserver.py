"""The webserver's process: Dagster's own, and beside it the pages of reports that its links lead to."""

from __future__ import annotations

import argparse

from opensky_assets.console import show_warnings
from opensky_assets.report.serve import LOOPBACK, pages_beside
from opensky_assets.settings import load_settings


def main() -> None:
    """Run `dagster-webserver` with the arguments of this process."""
    from dagster_webserver.cli import main as run

    show_warnings()
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--host", default=LOOPBACK)
    given, _ = parser.parse_known_args()
    with pages_beside(load_settings(), given.host):
        run()


if __name__ == "__main__":
    main()
