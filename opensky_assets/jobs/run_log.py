"""The log of a command's runs: what Dagster says of each step and what dbt prints, in a file."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster import InitLoggerContext, LoggerDefinition

LOGGER = "log_file"
KEPT = 20
"""Logs of so many commands stay."""


@cache
def log_of_command(home: Path) -> Path:
    """Where the runs of this process are logged, below DAGSTER_HOME; older logs than the latest are removed."""
    folder = home / "logs"
    folder.mkdir(mode=0o700, exist_ok=True)
    for old in sorted(folder.glob("*.log"))[: -KEPT + 1]:
        old.unlink(missing_ok=True)
    log = folder / f"{datetime.now(UTC):%Y-%m-%d-%H%M%S}-{os.getpid()}.log"
    log.touch(mode=0o600)
    return log


def log_file_logger() -> LoggerDefinition:
    """The logger of a run that writes to the file of its configuration."""
    from dagster import logger

    @logger(config_schema={"path": str}, description="Writes to a file")
    def log_file(context: InitLoggerContext) -> logging.Logger:
        handler = logging.FileHandler(context.logger_config["path"], encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        made = logging.Logger(LOGGER, logging.INFO)
        made.addHandler(handler)
        return made

    return log_file


def console_logger() -> LoggerDefinition:
    """Dagster's logger of the console, with an error in one line: its stack trace is in the log."""
    from dagster import Field, colored_console_logger, logger

    @logger(config_schema={"log_level": str, "name": Field(str, default_value="dagster")}, description="The console")
    def console(context: InitLoggerContext) -> logging.Logger:
        made = colored_console_logger.logger_fn(context)
        made.addFilter(_in_one_line)
        return made

    return console


_silences: list[Callable[[], bool]] = []


@contextmanager
def console_silent_when(is_silent: Callable[[], bool]) -> Iterator[None]:
    """The console says nothing of a run as long as that is true, as after Ctrl-C: what Dagster makes of it, and of
    children that it ended, is many lines, and the command says it in one."""
    _silences.append(is_silent)
    try:
        yield
    finally:
        _silences.remove(is_silent)


def _in_one_line(record: logging.LogRecord) -> bool:
    """Whether the record is shown."""
    if any(is_silent() for is_silent in _silences):
        return False
    record.msg = " ".join(str(record.msg).partition("Stack Trace:")[0].split("\n")).strip()
    return True


@contextmanager
def printing_to(log: Path) -> Iterator[None]:
    """What this process and its children print on standard output goes to the file: dbt prints two lines a test. Where
    Dagster keeps the output of a step, it still gets it."""
    sys.stdout.flush()
    screen = os.dup(1)
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(screen, 1)
        os.close(screen)
