"""What a format of lines has to give, for `parse.py` to read a block of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from opensky_assets.ingest.layout import Layout
from opensky_assets.ingest.lines import Lines


class NeedsALook(Exception):
    """Lines that looked clean and are not."""


@dataclass(frozen=True)
class Format:
    """How the lines of one format are read. `whole` reads a block in which no line needs a look, or gives nothing.
    `clean` says which lines need no second look; `convert` reads those, as a whole (or raises `NeedsALook`); `examine`
    takes the others one by one."""

    whole: Callable[[Lines, Layout], pl.DataFrame | None]
    clean: Callable[[Lines, Layout], np.ndarray]
    convert: Callable[[bytes, Layout], pl.DataFrame]
    examine: Callable[[Lines, np.ndarray, Layout, str], tuple[pl.DataFrame | None, pl.DataFrame]]
