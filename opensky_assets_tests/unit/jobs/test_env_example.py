"""`.env.example` is what the settings say, and all of it may stand in a `.env`."""

import re
from pathlib import Path

import pytest
from dotenv import dotenv_values

from opensky_assets.jobs.env_example import env_example
from opensky_assets.settings import Settings, descriptions, load_settings, variables

ROOT = Path(__file__).resolve().parents[3]


def test_the_file_is_up_to_date():
    told = "run `opensky-assets settings > .env.example`"
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == env_example(), told


def test_each_setting_is_there_once_with_its_description():
    assert re.findall(r"^#(OPENSKY_\w+)=", env_example(), re.MULTILINE) == [d.variable for d in descriptions()]
    assert sorted(d.variable for d in descriptions()) == sorted(variables())
    assert all(
        (d.text.endswith(".") and d.text[0] != d.text[0].lower()) or d.variable == "OPENSKY_ENV" for d in descriptions()
    )
    units = {d.variable: d.unit for d in descriptions() if d.unit}
    assert units["OPENSKY_ALERT_QUIET_HOURS"] == "hours" and units["OPENSKY_API_BUDGET"] == "credits"


def test_nothing_is_set_as_it_stands_and_the_values_are_the_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / ".env"
    file.write_text(env_example())
    assert dotenv_values(file) == {}
    file.write_text(re.sub(r"^#(OPENSKY_)", r"\1", env_example(), flags=re.MULTILINE))
    assert dotenv_values(file).keys() == {*variables()}
    assert load_settings() == Settings(_env_file=None)


@pytest.mark.parametrize("root", ["/somewhere/else", "elsewhere"])
def test_everything_is_below_the_root_that_no_setting_of_its_own_moves(tmp_path, monkeypatch, root):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENSKY_ROOT", root)
    settings = load_settings(warehouse="own.duckdb")
    places = (settings.source.uri, settings.lake.uri, str(settings.warehouse))
    assert places == (f"{root}/bucket", f"{root}/lake", "own.duckdb")
