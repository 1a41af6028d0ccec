"""`python -m opensky_assets_tests.compare BEFORE AFTER`; the package's docstring says what it compares."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from opensky_assets_tests import compare
from opensky_assets_tests.commands import SHARED_DATA
from opensky_assets_tests.compare.checkouts import Checkout, CompareError
from opensky_assets_tests.compare.differences import Comparison
from opensky_assets_tests.compare.scenarios import definitions, recorded, simulated


def say(text: str) -> None:
    print(text, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m opensky_assets_tests.compare",
        description=compare.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("before", type=Path, help="the checkout of the commit before")
    parser.add_argument("after", type=Path, help="the checkout of the commit after")
    parser.add_argument("--only", choices=["definitions", "simulated", "recorded"], help="one part")
    parser.add_argument("--work", type=Path, help="an empty or new folder for lakes and histories; kept")
    parser.add_argument("--shared-data", type=Path, default=SHARED_DATA, help="the folder of the recorded data")
    arguments = parser.parse_args(argv)
    before = Checkout("BEFORE", arguments.before.resolve())
    after = Checkout("AFTER", arguments.after.resolve())
    work = (arguments.work or Path(tempfile.mkdtemp(prefix="opensky-compare-"))).resolve()
    try:
        before.require_setup()
        after.require_setup()
        if work.exists() and any(work.iterdir()):
            raise CompareError(f"--work: {work} is not empty")
        found = _run(arguments.only, before, after, work, arguments.shared_data.resolve())
    except CompareError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    different = [comparison for comparison in found if not comparison.is_equal]
    say(f"{len(found)} comparisons, {len(different)} of them DIFFERENT")
    for comparison in different:
        say(f"  {comparison.name}")
    if different or arguments.work:
        say(f"lakes, histories and logs: {work}")
    else:
        shutil.rmtree(work)
    return 1 if different else 0


def _run(only: str | None, before: Checkout, after: Checkout, work: Path, shared: Path) -> list[Comparison]:
    found: list[Comparison] = []
    if only in (None, "definitions"):
        found += definitions(before, after, work, say)
    if only in (None, "simulated"):
        found += simulated(before, after, work, say)
    if only in (None, "recorded"):
        if shared.is_dir():
            found += recorded(before, after, work, say, shared)
        else:
            say(f"skipped    recorded: the recorded OpenSky data is not at {shared}")
    return found


if __name__ == "__main__":
    sys.exit(main())
