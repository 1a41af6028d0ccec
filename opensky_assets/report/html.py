"""HTML from the templates beside this file. The engine escapes all text; `Markup` is our own drawings and colours."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **values: object) -> str:
    """A template of `templates/`, filled. Raises `jinja2.UndefinedError` for a value that is not given."""
    return _environment().get_template(template).render(**values) + "\n"


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
