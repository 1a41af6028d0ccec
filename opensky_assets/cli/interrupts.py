"""What a command says when Ctrl-C ends it: what is safe, and how to go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Command = TypeVar("Command", bound=Callable[..., int])

WHEN_INTERRUPTED = "__when_interrupted__"
GO_ON = "what is published stays, run the same command again to go on"
READS_ONLY = "this command only reads, nothing was changed"


def when_interrupted(message: str) -> Callable[[Command], Command]:
    """The line for the command below, where it is not that it goes on by itself."""

    def noted(command: Command) -> Command:
        setattr(command, WHEN_INTERRUPTED, message)
        return command

    return noted
