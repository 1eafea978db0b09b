"""The background of tumor-to-background ratios: a crescent in the healthy hemisphere, found without a reader.

Readers draw it in the hemisphere without tumor, above the lateral ventricles, in gray and white matter (Unterrainer
2017; Law 2019, Eur J Nucl Med Mol Imaging 46:540). Here it is the shell of the brain between two depths, in a band
below the vertex, on the side with less lesion, off the midline, the lesion, its mirror image and healthy tissue with
high uptake.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import ndimage

from glioframe.artifacts.protocol import ReferenceRegionRule
from glioframe.core.errors import DatasetError
from glioframe.pet.symmetry import SymmetryPlane, find_symmetry_plane, linear_map_mm, voxel_positions_mm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.core.geometry import Spacing

_MM3_PER_ML = 1000.0
_VERTEX_PERCENTILE = 99.9  # the very top may be a stray voxel of the mask
_MAD_TO_STANDARD_DEVIATION = 1.4826
_OUTLIER_ROUNDS = 3
_MAX_BRAIN_ML = 2400.0  # a larger mask holds skull and scalp, and depths would be measured from the skin


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ReferenceRegion:
    """Where the background was measured, and how good that region is.

    Attributes:
        mask: ``(z, y, x)``, outliers left out.
        mean: Of the uptake in the mask, in the image's unit.
        coefficient_of_variation: Standard deviation over mean of the voxels in the mask.
        volume_ml: Of the mask.
        side: The hemisphere.
        plane: Between the hemispheres.
        flags: What a reader should look at, in words; empty when all is well.
    """

    mask: NDArray[np.bool_]
    mean: float
    coefficient_of_variation: float
    volume_ml: float
    side: Literal["left", "right"]
    plane: SymmetryPlane
    flags: tuple[str, ...] = ()


def find_reference_region(
    uptake: NDArray[Any],
    brain: NDArray[np.bool_],
    *,
    spacing_mm: Spacing,
    lesion: NDArray[np.bool_] | None = None,
    physiological: NDArray[np.bool_] | None = None,
    rule: ReferenceRegionRule | None = None,
    is_suv: bool = False,
) -> ReferenceRegion:
    """Finds the crescent and measures the uptake in it.

    Args:
        uptake: ``(z, y, x)``, the static image, in any unit.
        brain: ``(z, y, x)``; the brain without skull, as the depth is measured from its surface.
        spacing_mm: Voxel edges (z, y, x).
        lesion: ``(z, y, x)``; without it, the hemisphere with less uptake is taken, and a flag says so.
        physiological: ``(z, y, x)``, healthy tissue with high uptake, as the striatum for FDOPA.
        rule: Depths and margins; the default ones when None.
        is_suv: Whether ``uptake`` is SUV, so that its mean can be judged.

    Raises:
        DatasetError: The masks are not on the image's grid, or no voxel is left.
    """
    rule = rule or ReferenceRegionRule()
    masks = {"brain": brain, "lesion": lesion, "physiological": physiological}
    for name, mask in masks.items():
        if mask is not None and mask.shape != uptake.shape:
            raise DatasetError(
                f"{name} mask",
                expected=f"the shape of the uptake, {uptake.shape}",
                found=str(mask.shape),
                fix="Resample it onto the PET grid",
            )
    lesion = None if lesion is None or not lesion.any() else lesion
    plane = find_symmetry_plane(uptake, brain, spacing_mm=spacing_mm, lesion=lesion)
    candidate = _shell(brain, plane, spacing_mm=spacing_mm, rule=rule) & np.isfinite(uptake)
    if lesion is not None:
        candidate &= ~_is_near_lesion(candidate, lesion, plane, spacing_mm=spacing_mm, rule=rule)
    if physiological is not None and physiological.any():
        candidate &= _distance_mm(physiological, spacing_mm) > rule.physiological_margin_mm
    right = plane.distance_map_mm(uptake.shape, spacing_mm) > 0
    side = _healthy_side(uptake, candidate, lesion, right)
    candidate &= right if side == "right" else ~right
    candidate[candidate] = _is_typical(uptake[candidate], limit=rule.outlier_limit)
    if not candidate.any():
        raise DatasetError(
            "reference region",
            expected="healthy tissue in the hemisphere with less lesion, above the ventricles",
            found="no voxel that keeps all margins",
            fix="Check the brain mask and the lesion, or draw the reference region by hand",
        )
    values = uptake[candidate].astype(np.float64)
    region = ReferenceRegion(
        mask=candidate,
        mean=float(values.mean()),
        coefficient_of_variation=float(values.std() / abs(values.mean())),
        volume_ml=float(candidate.sum() * np.prod(spacing_mm) / _MM3_PER_ML),
        side=side,
        plane=plane,
    )
    flags = _flags(region, rule, is_suv=is_suv)
    if lesion is None:
        flags.append("no lesion is known: the hemisphere with less uptake was taken")
    brain_ml = float(brain.sum() * np.prod(spacing_mm)) / _MM3_PER_ML
    if brain_ml > _MAX_BRAIN_ML:
        flags.append(f"the brain mask of {brain_ml:.0f} mL holds more than the brain, so that depths are wrong")
    if brain[-1].any():
        flags.append("the field of view cuts off the top of the brain, from which the region's height is measured")
    return replace(region, flags=tuple(flags))


def _shell(
    brain: NDArray[np.bool_], plane: SymmetryPlane, *, spacing_mm: Spacing, rule: ReferenceRegionRule
) -> NDArray[np.bool_]:
    """The brain between two depths and two heights, off the midline, on both sides."""
    depth_mm = _distance_mm(~brain, spacing_mm)
    lateral_mm = np.abs(plane.distance_map_mm(brain.shape, spacing_mm))
    # Up, within the plane: a head that is tilted to one side has its vertex there too.
    upward = np.array([1.0, 0.0, 0.0]) - plane.normal[0] * plane.normal
    height_mm = linear_map_mm(upward / np.linalg.norm(upward), brain.shape, spacing_mm)
    below_mm = np.percentile(height_mm[brain], _VERTEX_PERCENTILE) - height_mm
    shell: NDArray[np.bool_] = brain & (lateral_mm >= rule.midline_margin_mm)
    for distance_mm, (low, high) in ((depth_mm, rule.depth_mm), (below_mm, rule.below_vertex_mm)):
        shell &= (distance_mm >= low) & (distance_mm <= high)
    return shell


def _is_near_lesion(
    candidate: NDArray[np.bool_],
    lesion: NDArray[np.bool_],
    plane: SymmetryPlane,
    *,
    spacing_mm: Spacing,
    rule: ReferenceRegionRule,
) -> NDArray[np.bool_]:
    """Candidates within the margins around the lesion and around its mirror image.

    Reflection keeps distances: a voxel is as far from the mirrored lesion as its own mirror image is from the lesion.
    """
    from_lesion_mm = _distance_mm(lesion, spacing_mm)
    mirrored_mm = plane.reflect(voxel_positions_mm(np.argwhere(candidate).T, spacing_mm))
    index = mirrored_mm / np.asarray(spacing_mm)[:, None]
    from_mirror_mm = ndimage.map_coordinates(from_lesion_mm, index, order=1, mode="nearest")
    near = from_lesion_mm <= rule.lesion_margin_mm
    near[candidate] |= from_mirror_mm <= rule.mirror_margin_mm
    return near


def _healthy_side(
    uptake: NDArray[Any],
    candidate: NDArray[np.bool_],
    lesion: NDArray[np.bool_] | None,
    right: NDArray[np.bool_],
) -> Literal["left", "right"]:
    """The side with less lesion; with less uptake where no lesion is known."""
    if lesion is not None:
        return "left" if (lesion & right).sum() * 2 >= lesion.sum() else "right"
    means = {side: uptake[candidate & half].mean(dtype=np.float64) for side, half in _halves(candidate, right)}
    return min(means, key=means.__getitem__) if means else "left"


def _halves(
    candidate: NDArray[np.bool_], right: NDArray[np.bool_]
) -> list[tuple[Literal["left", "right"], NDArray[np.bool_]]]:
    """The sides that have candidates."""
    halves: list[tuple[Literal["left", "right"], NDArray[np.bool_]]] = [("left", ~right), ("right", right)]
    return [(side, half) for side, half in halves if (candidate & half).any()]


def _is_typical(values: NDArray[Any], *, limit: float) -> NDArray[np.bool_]:
    """Values near the median of the typical ones: neither ventricle nor vessel."""
    typical = np.ones(len(values), dtype=bool)
    for _ in range(_OUTLIER_ROUNDS if len(values) else 0):
        median = np.median(values[typical])
        spread = _MAD_TO_STANDARD_DEVIATION * np.median(np.abs(values[typical] - median))
        typical = np.abs(values - median) <= limit * spread
    return typical


def _flags(region: ReferenceRegion, rule: ReferenceRegionRule, *, is_suv: bool) -> list[str]:
    flags = []
    if region.coefficient_of_variation > rule.max_coefficient_of_variation:
        flags.append(
            f"uneven: coefficient of variation {region.coefficient_of_variation:.0%}, "
            f"above {rule.max_coefficient_of_variation:.0%}"
        )
    if region.volume_ml < rule.min_volume_ml:
        flags.append(f"small: {region.volume_ml:.1f} mL, below {rule.min_volume_ml:g} mL")
    low, high = rule.mean_suv_range
    if is_suv and not low <= region.mean <= high:
        flags.append(f"implausible: mean SUV {region.mean:.2f}, outside of {low:g} to {high:g}")
    return flags


def _distance_mm(mask: NDArray[np.bool_], spacing_mm: Spacing) -> NDArray[np.float32]:
    """The distance of every voxel from the mask, 0 inside of it; infinite for an empty mask."""
    if not mask.any():
        return np.full(mask.shape, np.inf, dtype=np.float32)
    return np.asarray(ndimage.distance_transform_edt(~mask, sampling=spacing_mm), dtype=np.float32)
