"""Options that several commands have, and what checks their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer


def at_least(least: int) -> Callable[[int | None], int | None]:
    """A check of an option's number."""

    def check(value: int | None) -> int | None:
        if value is not None and value < least:
            raise typer.BadParameter(f"must be at least {least}, got {value}")
        return value

    return check


def one_of(names: Callable[[], Sequence[str]]) -> dict[str, Any]:
    """What makes an option or argument take only these names, and the shell complete them. They are asked for when they
    are needed."""

    def check(value: Any) -> Any:
        from opensky_assets.wording import unknown_name

        for given in value if isinstance(value, list | tuple) else [value] if value is not None else []:
            if given not in names():
                raise typer.BadParameter(unknown_name(given, names()))
        return value

    return {"callback": check, "autocompletion": lambda incomplete: list(names())}


def raw_tables() -> Sequence[str]:
    """The names of the raw tables, of one's own too."""
    from opensky_assets.datasets import dataset_names

    return list(dataset_names())


def reasons() -> Sequence[str]:
    """All reasons of quarantine, those of tables of one's own too."""
    from opensky_assets.datasets import contracts
    from opensky_assets.schemas.reasons import Reason

    own = {column.pattern_reason for contract in contracts().values() for column in contract.columns}
    return list(dict.fromkeys([*(reason.value for reason in Reason), *sorted(filter(None, own))]))


def check_port(value: int | None) -> int | None:
    if value is not None and not 1 <= value <= 65535:
        raise typer.BadParameter(f"must be a port, 1 to 65535, got {value}")
    return value


def today() -> date:
    return datetime.now(UTC).date()


FirstDay = Annotated[str, typer.Option("--from", metavar="DAY", help="The first day, as 2022-06-25.")]
LastDay = Annotated[str, typer.Option("--to", metavar="DAY", help="The last day, included.")]
Port = Annotated[
    int, typer.Option("--port", metavar="PORT", callback=check_port, help="The port of the UI on 127.0.0.1.")
]
