"""Colours by role, so that one drawing serves light and dark pages and pictures.

The hues are told apart with every common kind of colour blindness (after Okabe and Ito, 2008), and no figure needs
colour alone to be read: bars carry their numbers, cells theirs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

LIGHT = {
    "ink": "#1a2433",
    "muted": "#5a6778",
    "grid": "#dde3ea",
    "surface": "#ffffff",
    "land": "#e6eaef",
    "border": "#ffffff",
    "first": "#0b6fb8",
    "second": "#d1600f",
    "quiet": "#a9b4c2",
    "seq0": "#f3f6f9",
    "seq1": "#cfe3f3",
    "seq2": "#9ecae8",
    "seq3": "#5ea7d8",
    "seq4": "#2678b5",
    "seq5": "#0b4a80",
    "on_light": "#1a2433",
    "on_dark": "#ffffff",
}
"""On white: text at 7:1 or more, marks at 3:1 or more."""

DARK = {
    "ink": "#e8edf3",
    "muted": "#9fadbd",
    "grid": "#2b3746",
    "surface": "#161d27",
    "land": "#263241",
    "border": "#161d27",
    "first": "#56b4e9",
    "second": "#f09b45",
    "quiet": "#5d6b7c",
    "seq0": "#1c2531",
    "seq1": "#1d3a55",
    "seq2": "#1f5680",
    "seq3": "#2f7fb5",
    "seq4": "#66b4e3",
    "seq5": "#c4e6fb",
    "on_light": "#e8edf3",
    "on_dark": "#0e141c",
}
"""On near-black. The sequential colours run the other way: what is much stands out from the ground in both."""

ROLES = tuple(LIGHT)
SEQUENCE = tuple(role for role in ROLES if role.startswith("seq"))


@dataclass(frozen=True)
class Theme:
    """The colour of each role."""

    colours: Mapping[str, str]

    def __getitem__(self, role: str) -> str:
        return self.colours[role]


PAGE = Theme({role: f"#f1{at:02x}7e" for at, role in enumerate(ROLES)})
"""Stand-ins, replaced by the page's CSS variables when the drawing is done."""

PICTURE = Theme(LIGHT)


def with_variables(svg: str) -> str:
    """A drawing in `PAGE`'s stand-ins with `var(--role)` for each."""
    return re.sub(r"#f1([0-9a-f]{2})7e", lambda found: f"var(--{ROLES[int(found.group(1), 16)]})", svg)


def css_variables(colours: Mapping[str, str]) -> str:
    return "".join(f"--{role}:{colour};" for role, colour in colours.items())
