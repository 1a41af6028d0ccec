"""Numbers and names in messages."""

from __future__ import annotations

import pytest

from opensky_assets.places import checked_place, expanded
from opensky_assets.wording import nearest, plural, unknown_name


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 objects"), (1, "1 object"), (2, "2 objects"), (1234567, "1,234,567 objects")]
)
def test_a_number_agrees_with_its_noun(count: int, text: str) -> None:
    assert plural(count, "object") == text
    assert plural(count, "file or folder", "files and folders").endswith("files and folders") == (count != 1)


def test_the_nearest_name() -> None:
    assert nearest("flihts", ["flights", "state_vectors"]) == "flights"
    assert nearest("x", ["flights", "state_vectors"]) is None
    assert unknown_name("flihts", ["flights"]) == "'flihts' is unknown, did you mean flights? There are flights"
    assert unknown_name("x", ["a", "b"]) == "'x' is unknown. There are a, b"


@pytest.mark.parametrize("place", ["data/lake", "/data/s3:/x", "s3://bucket", "s3://bucket/a b/c", "C:/lake", "lake~"])
def test_a_place_stays_as_it_is_written(place: str) -> None:
    assert checked_place(place) == place


def test_a_tilde_is_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert checked_place("~/lake") == "/home/ada/lake" and str(expanded("~")) == "/home/ada"
