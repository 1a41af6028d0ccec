"""What a command says in a terminal."""

import subprocess
import sys

import pytest

from opensky_assets import console

SPEAK = """
import logging
from opensky_assets.console import say, show_warnings
show_warnings()
logger = logging.getLogger("opensky_assets.ingest.sync")
logger.setLevel(logging.INFO)
say("an answer")
logger.info("progress")
logger.warning("a\\x1b[2Jb is gone")
logger.error("it failed", exc_info=ValueError("a reason"))
logger.addHandler(logging.NullHandler())
logger.warning("somebody listens")
"""


def test_warnings_go_to_standard_error_unless_somebody_listens() -> None:
    done = subprocess.run([sys.executable, "-c", SPEAK], capture_output=True, text=True, check=True)
    assert done.stdout == "an answer\n"
    assert done.stderr == "warning: a\\x1b[2Jb is gone\nerror: it failed\nValueError: a reason\n"


def test_a_name_cannot_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("one\ntwo\r\x1b[31m\u2028\u202e")
    console.error("three")
    console.announce("four")
    out, err = capsys.readouterr()
    assert out == "one\ntwo\\r\\x1b[31m\\u2028\\u202e\n"
    assert err == "three\nopensky-assets: four\n"
