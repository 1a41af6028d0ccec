"""What the command line says of itself, and what it refuses before anything is done."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from opensky_assets.cli import main
from opensky_assets.cli.app import command_line

COMMANDS = sorted(command_line().commands)
PASSED_ON = ("dev", "simulate")
"""Their arguments, and `--help`, are those of another program."""


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS if name not in PASSED_ON)])
def test_help_is_printed(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"Usage: opensky-assets {' '.join(command)}" in shown and not re.search("<(bool|int|str)>", shown)
    assert main([*command, "-h"]) == 0
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prune", "--keep-days", "-1"], "must be at least 0, got -1"),
        (["start", "--port", "99999"], "must be a port, 1 to 65535, got 99999"),
        (["serve", "webserver", "--code", "4266"], "must be HOST:PORT, got 4266"),
        (["backfill", "--from", "2020-01-01", "--to", "2020-01-02", "--chunk", "0"], "must be at least 1, got 0"),
        (["materialize", "--to", "2020-01-02"], "Missing option '--from'"),
        (["sql"], "Missing argument"),
        (["paln"], "Did you mean 'plan'?"),
        (["plan", "--form", "2020-01-01"], "Did you mean --from"),
        (["prune", "--table", "flihts"], "did you mean flights?"),
        (["sql", "FROM routes", "--format", "parqet"], "did you mean parquet?"),
        (["serve", "webservr"], "did you mean webserver?"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert message in said.err and said.err.count("\n") == 1 and said.out == ""


@pytest.mark.parametrize("command", [[], ["plan"], ["benchmark"]])
def test_help_loads_nothing_heavy(command: list[str]) -> None:
    """Nor does any module of commands: what a command needs is imported when it runs."""
    code = (
        "import sys\nfrom opensky_assets.cli import main\nassert main(sys.argv[1:]) == 0\n"
        "heavy = {'dagster', 'polars', 'duckdb', 'pyarrow', 'pandas', 'numpy', 'pyspark', 'boto3', 'dbt', 'ibis',"
        "'pydantic_settings'}\n"
        "sys.exit(', '.join(heavy & sys.modules.keys()) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_arguments_after_simulate_and_dev_are_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "--days", "many", "--help"])
    assert ended.value.code == 2 and "argument --days" in capsys.readouterr().err


def test_each_command_has_examples_that_parse() -> None:
    commands = command_line().commands
    for name, command in commands.items():
        shown = [line.strip().partition(f" {name}")[2] for line in (command.epilog or "").splitlines() if "$ " in line]
        assert shown or name in PASSED_ON, name
        for arguments in shown:
            words = shlex.split(arguments.replace("\\[", "["))
            command.make_context(name, words)


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"opensky-assets \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("opensky-assets ver", "verify"),
        ("opensky-assets prune --table fl", "flights"),
        ("opensky-assets plan --fr", "--from"),
    ],
)
def test_the_shell_completes_commands_options_and_names(typed: str, completed: str) -> None:
    words = typed.split()
    given = {"_OPENSKY_ASSETS_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-m", "opensky_assets.cli"],
        env=os.environ | given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed in done.stdout.split(), done.stderr


def in_terminal(folder: Path, *arguments: str) -> str:
    """What a command shows in a terminal."""
    ours, theirs = os.openpty()
    environment = {n: v for n, v in os.environ.items() if n != "NO_COLOR"} | {
        "TERM": "xterm-256color",
        "COLUMNS": "100",
    }
    command = [sys.executable, "-m", "opensky_assets.cli", *arguments]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
    ):
        os.close(theirs)
        shown = bytearray()
        with contextlib.suppress(OSError):  # Linux's end of file of a terminal
            while part := os.read(ours, 65536):
                shown += part
    os.close(ours)
    return shown.decode(errors="replace")


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_bars_and_colour_are_on_a_terminal_and_not_in_a_pipe(tmp_path: Path) -> None:
    arguments = ("simulate", "--days", "1", "--aircraft", "30", "--states-hours", "2", "--force")
    shown = in_terminal(tmp_path, *arguments)
    assert "simulated hours" in shown and "/2" in shown and "states/s" in shown and "\x1b[" in shown
    assert "simulated: " not in shown and "simulated bucket" in shown
    piped = subprocess.run(
        [sys.executable, "-m", "opensky_assets.cli", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "\x1b" not in piped.stdout + piped.stderr and "simulated: " in piped.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there, Ctrl-C is sent in another way")
def test_ctrl_c_is_one_line_that_says_how_to_go_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "opensky_assets.cli", "simulate", "--days", "3", "--aircraft", "600"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("simulated: ")
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate()
    (line,) = [line for line in rest.splitlines() if not line.startswith("simulated: ")]
    assert process.returncode == 130
    assert line == "stopped; the bucket is incomplete, run the same command again: it starts anew"
