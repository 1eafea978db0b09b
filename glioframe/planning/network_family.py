"""What the planner needs to know of a family of networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.network_plan import NetworkPlan
    from glioframe.core.geometry import Shape, Spacing

SMALL_COHORT = 100
"""Fewer subjects overfit wide networks."""
_DROPOUT = (0.1, 0.2)


class Layout(NamedTuple):
    """A network and the patch that it is made for.

    Attributes:
        patch_size_vox: (z, y, x), a multiple of the network's total stride.
        network: Planned.
    """

    patch_size_vox: Shape
    network: NetworkPlan


class NetworkFamily(ABC):
    """How one family is laid out for a field of view, wide or narrow.

    Attributes:
        weight_decay: That suits it.
        warmup_share: Of the epochs.
    """

    weight_decay: ClassVar[float]
    warmup_share: ClassVar[float]

    @property
    @abstractmethod
    def widths(self) -> Sequence[int]:
        """Features of the first stage or of a token, widest first, that the cohort and the budget allow."""

    @abstractmethod
    def layout(self, extent_mm: Spacing, spacing_mm: Spacing, width: int) -> Layout:
        """The patch that holds ``extent_mm``, and the network of that width for it."""

    @abstractmethod
    def reasons(self, layout: Layout, spacing_mm: Spacing) -> dict[str, str]:
        """Why the network is as it is, by the name of its value."""


def choose_dropout(num_subjects: int) -> float:
    """More for small cohorts."""
    return _DROPOUT[num_subjects < SMALL_COHORT]


def dropout_reason(num_subjects: int) -> str:
    """In words."""
    return (
        f"{choose_dropout(num_subjects):g} before the classification layer for {num_subjects} subjects "
        f"({_DROPOUT[True]:g} below {SMALL_COHORT}, {_DROPOUT[False]:g} from there on)."
    )
