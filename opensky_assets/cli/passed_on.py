"""Commands whose arguments another program reads."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class PassedOn(TyperCommand):
    """A command that reads no argument, `--help` neither: they are in `ctx.args`, as they were given."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        super().parse_args(ctx, [])
        ctx.args = list(args)
        return ctx.args
