"""Long work says how far it is, to whoever shows it. Where nobody does, nothing happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Show = Callable[[str, float, float | None, str], None]
"""Shows a bar: its name, how much of how much is done (`None`: unknown), and what else there is to say."""

_shows: list[Show] = []


def advance(name: str, done: float, total: float | None = None, detail: str = "") -> None:
    """Say that so much of `name` is done."""
    for show in _shows[-1:]:
        show(name, done, total, detail)


def is_shown() -> bool:
    """Whether somebody looks at the progress, so that lines about it are not needed."""
    return bool(_shows)


@contextmanager
def shown_by(show: Show) -> Iterator[None]:
    """Progress of this process is shown by `show` meanwhile."""
    _shows.append(show)
    try:
        yield
    finally:
        _shows.remove(show)
