"""What a command says in a terminal: lines on standard output, errors and warnings on standard error.

Standard library only, and no syntax newer than Python 3.8: the set-up uses it before anything is installed.
"""

from __future__ import annotations

import logging
import sys
from unicodedata import category

_UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Categories of Unicode: control and format characters, halves of surrogate pairs, separators of lines."""


def say(text: str = "") -> None:
    """Print lines to standard output."""
    print(_printable_lines(text), flush=True)


def error(text: str) -> None:
    """Print lines to standard error."""
    print(_printable_lines(text), file=sys.stderr, flush=True)


def announce(text: str) -> None:
    """Print a line of the program about itself to standard error."""
    error(f"opensky-assets: {text}")


def printable(text: str) -> str:
    """The text, as a key of the source or a message about it, with its control characters escaped: a name must not
    move the cursor of a terminal, nor start another line of a log."""
    return "".join(c.encode("unicode_escape").decode() if category(c) in _UNPRINTABLE else c for c in text)


def show_warnings() -> None:
    """From now on, warnings and errors of loggers that nobody listens to are lines on standard error.

    As Python's handler of last resort, since Dagster listens to the package's loggers in its steps and shows what they
    say with the run and the step: a handler beside it would show each warning twice.
    """
    logging.lastResort = _Console(logging.WARNING)


class _Console(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        error(f"{record.levelname.lower()}: {self.format(record)}")


def _printable_lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))
