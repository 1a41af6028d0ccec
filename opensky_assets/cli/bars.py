"""Progress bars on a terminal; none in a pipe, nor on a terminal that cannot move its cursor."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opensky_assets.progress import shown_by

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bars:
    """A bar for each piece of long work that is going on, with what it says of its rate and the time that is left. Rich
    is imported, and the cursor hidden, while there is one."""

    def __init__(self) -> None:
        self._shown: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def show(self, name: str, done: float, total: float | None, detail: str) -> None:
        if self._shown is None:
            self._shown = _started()
        if name not in self._tasks:
            self._tasks[name] = self._shown.add_task(name, total=total, detail=detail)
        self._shown.update(self._tasks[name], completed=done, total=total, detail=detail)
        if total is not None and done >= total:
            self._shown.remove_task(self._tasks.pop(name))
        if not self._tasks:
            self.stop()

    def stop(self) -> None:
        if self._shown is not None:
            self._shown.stop()
            self._shown.console.file.close()
        self._shown, self._tasks = None, {}


def _started() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    # A descriptor of its own: the output of a run goes to its log, and the bars stay on the terminal.
    terminal = os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding=sys.stderr.encoding, errors="replace")
    shown = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(file=terminal),
        transient=True,
        redirect_stdout=False,
    )
    shown.start()
    return shown


def can_show_bars() -> bool:
    return sys.stderr.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


@contextmanager
def bars() -> Iterator[None]:
    """Long work shows its progress on the terminal meanwhile, if there is one."""
    if not can_show_bars():
        yield
        return
    shown = Bars()
    try:
        with shown_by(shown.show):
            yield
    finally:
        shown.stop()
