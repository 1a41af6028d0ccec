"""Runs one command of those that the modules of `commands/` have."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Annotated, Any

import typer
from dotenv import dotenv_values, load_dotenv
from typer.core import TyperCommand, TyperGroup

from opensky_assets.cli import commands
from opensky_assets.cli.bars import bars
from opensky_assets.cli.interrupts import GO_ON, WHEN_INTERRUPTED
from opensky_assets.cli.panels import PANELS
from opensky_assets.console import announce, error, show_warnings

PROGRAM = "opensky-assets"
INTERRUPTED = 130
BROKEN_PIPE = 128 + 13
"""As a program that SIGPIPE ended."""


class Commands(TyperGroup):
    """The group of all commands: what a user can mend is one line of an error, without a traceback."""

    def list_commands(self, ctx: Any) -> list[str]:
        """By panels, so that those of one family stand together."""

        def panel(name: str) -> int:
            command = self.commands[name]
            shown = command.rich_help_panel if isinstance(command, TyperCommand | TyperGroup) else None
            return PANELS.index(shown) if shown in PANELS else len(PANELS)

        return sorted(super().list_commands(ctx), key=panel)

    def invoke(self, ctx: Any) -> Any:
        try:
            with bars():
                return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException):
            raise
        except KeyboardInterrupt:
            error(f"stopped; {_when_interrupted(self.commands.get(ctx.invoked_subcommand or ''))}")
            return INTERRUPTED
        except BrokenPipeError:
            try:
                sys.stdout.flush()
            except BrokenPipeError:  # whoever reads has had enough, as `head` has
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return BROKEN_PIPE
            raise
        except Exception as failure:
            if not isinstance(failure, _user_errors()):
                raise
            error(f"{' '.join([PROGRAM, *filter(None, [ctx.invoked_subcommand])])}: {failure}")
            return 1


def _when_interrupted(command: Any) -> str:
    return getattr(getattr(command, "callback", None), WHEN_INTERRUPTED, GO_ON)


def _user_errors() -> tuple[type[Exception], ...]:
    """Errors whose text says what happened and what to do."""
    from opensky_assets.calendar import OutsideCalendar
    from opensky_assets.extras import ExtraError
    from opensky_assets.lake import LakeError
    from opensky_assets.settings import SettingsError
    from opensky_assets.storage.errors import SourceError

    return LakeError, SourceError, SettingsError, OutsideCalendar, ExtraError


def command_line() -> TyperGroup:
    """All commands, of every module of `commands/`."""
    app = typer.Typer(
        name=PROGRAM,
        cls=Commands,
        context_settings={"help_option_names": ["-h", "--help"]},
        invoke_without_command=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback()(_before)
    for module in iter_modules(commands.__path__):
        app.add_typer(import_module(f"{commands.__name__}.{module.name}").app)
    made = typer.main.get_command(app)
    assert isinstance(made, TyperGroup)
    context = typer.Context(made, **made.context_settings)
    for command in (made, *made.commands.values()):
        for option in command.get_params(context if command is made else typer.Context(command, parent=context)):
            if getattr(option, "is_bool_flag", False):
                option.metavar = ""  # a flag has no value whose type the help could show
            if option.param_type_name == "argument":  # all are texts, so the type `<str>` says nothing
                setattr(option, "display_type_rich", lambda ctx: None)  # noqa: B010
    return made


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"{PROGRAM} {version(PROGRAM)}")
        raise typer.Exit


def _before(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """OpenSky's raw files as trusted daily tables."""
    _warn_of_misspelt_settings()
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), nl=False)
        raise typer.Exit(2)
    if any(os.environ.get(f"OPENSKY_{name}") for name in ("DATASETS", "DEFINITIONS", "DBT_PROJECT")):
        from opensky_assets.datasets import load_own
        from opensky_assets.settings import SettingsError, load_settings

        try:
            load_own(load_settings())  # before the command's arguments, which can name tables
        except SettingsError as failure:
            error(f"{PROGRAM}: {failure}")
            raise typer.Exit(1) from None


def _warn_of_misspelt_settings() -> None:
    if not any(name.startswith("OPENSKY_") for name in os.environ):
        return  # the settings take a while to import
    from opensky_assets.settings import misspelt

    written = dotenv_values(Path.cwd() / ".env")
    for name, likely in misspelt(os.environ):
        where = " in .env" if name in written else ""
        meant = f"did you mean {likely}?" if likely else "`opensky-assets doctor` checks the settings"
        announce(f"warning: {name}{where} is not a setting and has no effect; {meant}")


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    show_warnings()
    load_dotenv(Path.cwd() / ".env")  # also what others read, as AWS_… and JAVA_HOME; the environment wins
    try:
        code = command_line().main(argv, prog_name=PROGRAM, standalone_mode=False)
    except typer.TyperException as failure:
        path = context.command_path if (context := getattr(failure, "ctx", None)) else PROGRAM
        error(f"{path}: {_usage_message(failure)}; `{path} --help` shows how it is used")
        return failure.exit_code
    return code if isinstance(code, int) else 0


def _usage_message(failure: typer.TyperException) -> str:
    """Typer's message as one line."""
    if likely := getattr(failure, "possibilities", None):
        return f"{failure.message}. Did you mean {' or '.join(sorted(likely))}?"
    return " ".join(failure.format_message().split()).rstrip(".")
