"""What the command line says of itself, and what it refuses before anything is done."""

from __future__ import annotations

import pytest

from opensky_assets.cli import main


@pytest.mark.parametrize("command", [[], ["prune"], ["start"], ["backfill"], ["benchmark"]])
def test_help_is_printed(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0 and "usage: opensky-assets" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["prune", "--keep-days", "-1"], "-1 is no number from 0 on"),
        (["start", "--port", "99999"], "99999 is no port"),
        (["backfill", "--from", "2020-01-01", "--to", "2020-01-02", "--chunk", "0"], "0 is no number from 1 on"),
    ],
)
def test_a_number_that_cannot_be_meant_is_refused(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and told in capsys.readouterr().err
