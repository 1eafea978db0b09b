"""``preflight.html``: what the checks found, and a picture of each case, on one self-contained page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.core.files import write_text_atomically
from glioframe.evaluation.wording import count
from glioframe.reporting.page import page_template

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from glioframe.artifacts.preflight import Finding, Preflight
    from glioframe.reporting.raw_case import RawCard


def write_preflight_page(preflight: Preflight, cards: Sequence[RawCard], path: Path) -> None:
    """Writes the page to ``path``, atomically; equal content gives equal bytes.

    Args:
        preflight: What was found.
        cards: The cases to show; none leaves the pictures out.
        path: ``.../preflight.html``.
    """
    by_case: dict[str, list[Finding]] = {}
    for finding in preflight.findings:
        by_case.setdefault(finding.case_id, []).append(finding)
    page = page_template("preflight.html.j2").render(preflight=preflight, cards=cards, by_case=by_case, count=count)
    write_text_atomically(path, page)
