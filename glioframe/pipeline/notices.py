"""What a reader of a report must be told before any number."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glioframe.artifacts.dataset import DatasetDescription

_RESEARCH_USE = "For research. Not a medical device; not for decisions about patients."


def notices_for(description: DatasetDescription | None) -> list[str]:
    """The dataset's own description (which says when it is simulated, or when a label is a proxy) and the use."""
    notices = [description.description] if description and description.description else []
    return [*notices, _RESEARCH_USE]
