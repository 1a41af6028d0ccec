"""Land and borders for the map, from Natural Earth, which is in the public domain: shipped, so that nothing is fetched.

`natural_earth_110m.json` tells its source and licence. Borders are drawn as Natural Earth has them, which is who
controls a place, not a statement of whose it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np


@dataclass(frozen=True)
class Outlines:
    """Rings of land and lines of borders, each an array of (longitude, latitude) in degrees."""

    land: list[np.ndarray]
    borders: list[np.ndarray]


@cache
def outlines() -> Outlines:
    found = json.loads(files("opensky_assets.report").joinpath("natural_earth_110m.json").read_text(encoding="utf-8"))
    return Outlines(*([np.asarray(line).reshape(-1, 2) / 100 for line in found[kind]] for kind in ("land", "borders")))
