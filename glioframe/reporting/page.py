"""What every page shares: how templates are found, and the functions that they call."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from glioframe.core.provenance import glioframe_version
from glioframe.evaluation.wording import count
from glioframe.reporting.wording import plain

if TYPE_CHECKING:
    from jinja2 import Template


@cache
def page_template(name: str) -> Template:
    """The template called ``name``; what it prints is escaped, and a name that it does not know is an error."""
    pages = Environment(
        loader=PackageLoader("glioframe.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["plain"] = plain
    pages.filters["count"] = count
    pages.globals["version"] = glioframe_version()
    return pages.get_template(name)
