"""The look of every figure, and how it becomes part of a page.

Figures are objects of their own, never pyplot's global state, and end as inline SVG with a transparent ground whose
ink follows the page: dark on light, light on dark.
"""

from __future__ import annotations

import io
import re
from html import escape
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# M. Okabe and K. Ito, Color Universal Design (2008): told apart with any common color blindness.
POSITIVE = "#d55e00"
NEGATIVE = "#0072b2"
ACCENT = "#009e73"

INK = "#010203"
"""Stands for the page's text color."""
FAINT = "#040506"
"""Stands for the page's line color."""
GROUND = "#070809"
"""Stands for the color behind the figure."""

_PAGE_COLORS = {
    INK: "currentColor",
    FAINT: "var(--line)",
    GROUND: "var(--card)",
    POSITIVE: "var(--red)",
    NEGATIVE: "var(--blue)",
    ACCENT: "var(--green)",
}

SERIES = (
    (NEGATIVE, "-"),
    (POSITIVE, "--"),
    (ACCENT, "-."),
    ("#cc79a7", ":"),
    (INK, (0, (6, 1.5, 1, 1.5, 1, 1.5))),
    ("#e69f00", (0, (8, 2))),
    ("#56b4e9", (0, (1, 1))),
)
"""Color and dashes of the models of an overlay: told apart without color too. At most seven are readable."""

LEGEND: dict[str, Any] = {"frameon": False, "labelcolor": INK, "fontsize": 8.0}
"""Style of a legend, for ``axes.legend``."""

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9.0,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "text.color": INK,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "glioframe",
}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def new_figure(*, width_in: float, height_in: float, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with one column of axes in the house style, the first axes three times as high as the others."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        ratios = [3.0, *[1.0] * (rows - 1)]
        grid = figure.subplots(rows, 1, squeeze=False, gridspec_kw={"height_ratios": ratios})
    return figure, list(grid[:, 0])


def literal(text: str) -> str:
    """The text for a label, its dollar signs kept from starting a formula."""
    return text.replace("$", r"\$")


def inline_svg(figure: Figure, *, name: str, description: str) -> str:
    """The figure as SVG to stand inside HTML.

    Args:
        figure: The figure.
        name: Unique on the page; keeps the identifiers of different figures apart.
        description: What a reader who cannot see it must know.
    """
    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(buffer, format="svg", metadata=_NO_METADATA)
    svg = buffer.getvalue()
    opening, content = svg[svg.index("<svg") :].split(">", 1)
    view_box = re.search(r'viewBox="[^"]*"', opening)
    content = _unique_identifiers(re.sub(r"<metadata>.*?</metadata>", "", content, flags=re.DOTALL), name)
    for color, page_color in _PAGE_COLORS.items():
        content = content.replace(color, page_color)
    label = escape(description, quote=True)
    return f'<svg role="img" aria-label="{label}" {view_box[0] if view_box else ""}>{content}'


def _unique_identifiers(text: str, name: str) -> str:
    """Drops the identifiers that nothing refers to and puts ``name`` before the others."""
    referred = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))

    def renamed(match: re.Match[str]) -> str:
        return f' id="{name}-{match[1]}"' if match[1] in referred else ""

    text = re.sub(r'\sid="([^"]+)"', renamed, text)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
