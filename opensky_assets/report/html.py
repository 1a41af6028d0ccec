"""HTML from the templates beside this file. The engine escapes all text; `Markup` is our own drawings, colours and
script."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


def render(template: str, **values: object) -> str:
    """A template of `templates/`, filled. Raises `jinja2.UndefinedError` for a value that is not given."""
    return _environment().get_template(template).render(**values) + "\n"


@cache
def script() -> Markup:
    """The script of every page; it is the same for all, and no data is in it."""
    from markupsafe import Markup

    return Markup(files("opensky_assets.report").joinpath("templates/script.js").read_text(encoding="utf-8"))


def csp_hash(code: str) -> str:
    """How a page's policy allows exactly this script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from opensky_assets.report.figures import percent

    # Whatever the name of a template ends in: what is included in a page is part of a page.
    made = Environment(
        loader=PackageLoader("opensky_assets.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"cell": _cell, "percent": percent}
    return made


def _cell(value: object) -> object:
    return f"{value:,}" if isinstance(value, int | float) else value
