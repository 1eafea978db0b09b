"""A value together with the sentence that defends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


class Chosen(NamedTuple, Generic[T]):
    """A planned value.

    Attributes:
        value: What was chosen.
        reason: Why, with the numbers behind it, as plain sentences.
    """

    value: T
    reason: str


def times(values: Sequence[float]) -> str:
    """``1.5 x 1 x 1``."""
    return " x ".join(f"{value:.4g}" for value in values)
