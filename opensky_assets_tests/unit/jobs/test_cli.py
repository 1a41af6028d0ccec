"""What the command line says of itself, and what it refuses before anything is done."""

from __future__ import annotations

import subprocess
import sys

import pytest

from opensky_assets.cli import main
from opensky_assets.cli.app import command_line

COMMANDS = sorted(command_line().commands)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS if name not in ("dev", "simulate"))])
def test_help_is_printed(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--help"]) == 0
    assert f"Usage: opensky-assets {' '.join(command)}" in capsys.readouterr().out


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
