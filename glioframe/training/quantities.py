"""Which network inputs are quantities."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glioframe.artifacts.plan import Plan


def quantitative_channels(plan: Plan) -> tuple[bool, ...]:
    """One flag per channel: whether its values keep their unit, up to one fixed scale for all cases."""
    return tuple(channel.normalization.scheme == "fixed_scale" for channel in plan.channels)
