"""What a case-level network sees: a box around the lesion, or the whole brain."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from glioframe.artifacts.plan import FieldOfView
from glioframe.planning.reasons import Chosen, times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.fingerprint import CaseFingerprint
    from glioframe.core.geometry import Spacing

_CONTEXT_MM = 20.0
"""Kept on every side of the lesion: perifocal edema and infiltration reach about 2 cm beyond what enhances."""
_SMALL_SHARE = 0.7
COVERED_SHARE = 0.95
"""Of the training cases, along each axis: whose lesion, or whose brain, fits into the field of view."""
_TOLERANCE_MM = 1e-3
"""Voxel edges carry rounding errors from the affine: 160.0000001 mm are 160 mm."""


def brain_extent_mm(cases: Sequence[CaseFingerprint], share: float) -> Spacing:
    """Edges (z, y, x) that hold ``share`` of the brain boxes, each along its own axis; 0.5 gives the median."""
    z, y, x = (_percentile([case.brain_extent_mm[axis] for case in cases], share) for axis in range(3))
    return (z, y, x)


def choose_field_of_view(cases: Sequence[CaseFingerprint]) -> Chosen[FieldOfView]:
    """Around the lesion where every training case has one labeled and lesions are small, else the whole brain."""
    brain_mm = brain_extent_mm(cases, 0.5)
    extents = [case.lesion_extent_mm for case in cases if case.lesion_extent_mm is not None]
    whole = FieldOfView(kind="whole_brain", extent_mm=_rounded_up(brain_extent_mm(cases, COVERED_SHARE)))
    if len(extents) < len(cases):
        return Chosen(
            whole,
            f"Only {len(extents)} of {len(cases)} training cases have a lesion labeled, so the network sees the whole "
            f"brain. {_covered(whole, cases)}",
        )
    lesion_mm = [_percentile([extent[axis] for extent in extents], COVERED_SHARE) for axis in range(3)]
    box_mm = [edge + 2 * _CONTEXT_MM for edge in lesion_mm]
    largest_share = max(box / brain for box, brain in zip(box_mm, brain_mm, strict=True))
    measured = (
        f"{COVERED_SHARE:.0%} of the {len(extents)} labeled lesions fit into {times(lesion_mm)} mm (z, y, x); with "
        f"{_CONTEXT_MM:g} mm of surroundings on every side that is up to {largest_share:.0%} of the median brain's edge"
    )
    if largest_share >= _SMALL_SHARE:
        return Chosen(
            whole,
            f"{measured}, not clearly less than the whole ({_SMALL_SHARE:.0%} is the bound), so the network sees the "
            f"whole brain. {_covered(whole, cases)}",
        )
    return Chosen(
        FieldOfView(kind="lesion_centered", extent_mm=_rounded_up(box_mm)),
        f"{measured}, so a box around the lesion's center shows all that matters at a finer spacing than the whole "
        "brain could. New cases need a lesion label too.",
    )


def _covered(whole: FieldOfView, cases: Sequence[CaseFingerprint]) -> str:
    """Which brains the view holds, as a sentence."""
    larger = sum(
        any(brain > edge + _TOLERANCE_MM for brain, edge in zip(case.brain_extent_mm, whole.extent_mm, strict=True))
        for case in cases
    )
    return (
        f"{times(whole.extent_mm)} mm (z, y, x) hold {COVERED_SHARE:.0%} of the brain boxes along each axis; "
        f"{larger} of {len(cases)} training brains exceed it along at least one."
    )


def _percentile(values: Sequence[float], share: float) -> float:
    """Linear interpolation between the two nearest order statistics."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def _rounded_up(extent_mm: Sequence[float]) -> Spacing:
    return cast("Spacing", tuple(float(math.ceil(edge - _TOLERANCE_MM)) for edge in extent_mm))
