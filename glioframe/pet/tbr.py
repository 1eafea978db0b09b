"""Uptake relative to a reference: what a tumor's ratios to background and to striatum, and its volume, are.

The literature means different things by the maximum of a tumor; here, each measure says in its name what it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage, signal

from glioframe.core.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.core.geometry import Spacing

PET_RANO_MEASURABLE_ML = 0.5
"""Disease of at least this metabolic volume is measurable (PET RANO 1.0; Albert 2024, Lancet Oncol 25:e29)."""

_MM3_PER_ML = 1000.0
_PEAK_SPHERE_ML = 1.0
_DISC_DIAMETER_MM = 16.0
_NUM_HOTTEST_VOXELS = 10
_SUBDIVISIONS = 5  # a voxel that the sphere cuts counts by its part inside


def tbr(uptake: NDArray[Any], reference_mean: float) -> NDArray[np.float32]:
    """Tumor-to-background ratio: uptake divided by the mean of the reference region, in the same unit.

    Raises:
        DatasetError: The mean is not positive.
    """
    if not (np.isfinite(reference_mean) and reference_mean > 0):
        raise DatasetError(
            "reference region",
            expected="a mean uptake above 0",
            found=f"{reference_mean:g}",
            fix="Check the unit and the decay correction of the image, and where the region lies",
        )
    return np.asarray(uptake, dtype=np.float32) / np.float32(reference_mean)


@dataclass(frozen=True, kw_only=True, slots=True)
class TumorUptake:
    """How high the uptake of a lesion is, in the unit of the image: TBR of a TBR image, SUV of an SUV image.

    Attributes:
        max_voxel: The highest voxel.
        max_10_voxels: Mean of the ten highest voxels, wherever they lie in the lesion.
        max_disc_16_mm: Mean over a disc of 16 mm diameter in the axial plane around the highest voxel.
        peak_1_ml: Highest mean over a sphere of 1 mL whose center lies in the lesion.
        mean: Over the lesion.
    """

    max_voxel: float
    max_10_voxels: float
    max_disc_16_mm: float
    peak_1_ml: float
    mean: float


def measure_tumor(image: NDArray[Any], lesion: NDArray[np.bool_], *, spacing_mm: Spacing) -> TumorUptake:
    """The uptake of a lesion.

    Args:
        image: ``(z, y, x)``.
        lesion: ``(z, y, x)``; for a threshold-based mean, the lesion above the threshold.
        spacing_mm: Voxel edges (z, y, x).

    Raises:
        DatasetError: The lesion is empty.
    """
    if not lesion.any():
        raise DatasetError("lesion", expected="at least one voxel", found="none", fix="Check the segmentation")
    values = np.sort(image[lesion].astype(np.float64))
    highest = np.unravel_index(np.argmax(np.where(lesion, image, -np.inf)), image.shape)
    return TumorUptake(
        max_voxel=float(values[-1]),
        max_10_voxels=float(values[-_NUM_HOTTEST_VOXELS:].mean()),
        max_disc_16_mm=_disc_mean(image, highest, spacing_mm=spacing_mm),
        peak_1_ml=_peak(image, lesion, spacing_mm=spacing_mm),
        mean=float(values.mean()),
    )


def tumor_to_striatum_ratio(
    uptake: NDArray[Any], lesion: NDArray[np.bool_], contralateral_striatum: NDArray[np.bool_]
) -> float:
    """The highest voxel of the lesion over the mean of the striatum on the other side.

    Raises:
        DatasetError: A mask is empty, or the striatum has no uptake.
    """
    masks = {"lesion": lesion & ~contralateral_striatum, "contralateral striatum": contralateral_striatum}
    for name, mask in masks.items():
        if not mask.any():
            raise DatasetError(name, expected="at least one voxel", found="none", fix="Check the mask")
    striatum_mean = float(uptake[contralateral_striatum].mean(dtype=np.float64))
    if not striatum_mean > 0:
        raise DatasetError(
            "contralateral striatum",
            expected="a mean uptake above 0",
            found=f"{striatum_mean:g}",
            fix="Check where the mask lies",
        )
    return float(uptake[masks["lesion"]].max()) / striatum_mean


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MetabolicVolume:
    """Tissue with uptake from a threshold on.

    Attributes:
        mask: ``(z, y, x)``.
        volume_ml: Of the mask.
        largest_component_ml: Of its largest part that hangs together (26 neighbors).
        is_measurable: Whether that part reaches the volume from which disease counts as measurable; scattered voxels
            of noise do not add up to disease.
    """

    mask: NDArray[np.bool_]
    volume_ml: float
    largest_component_ml: float
    is_measurable: bool


def metabolic_volume(
    tbr_image: NDArray[Any],
    within: NDArray[np.bool_],
    *,
    spacing_mm: Spacing,
    threshold_tbr: float,
    physiological: NDArray[np.bool_] | None = None,
    measurable_ml: float = PET_RANO_MEASURABLE_ML,
) -> MetabolicVolume:
    """The tissue at or above a threshold.

    Args:
        tbr_image: ``(z, y, x)``.
        within: ``(z, y, x)``, where to look: the brain, or the surroundings of a lesion.
        spacing_mm: Voxel edges (z, y, x).
        threshold_tbr: Of the tracer; the protocol states it.
        physiological: ``(z, y, x)``, healthy tissue with high uptake, left out.
        measurable_ml: From this volume on, disease counts as measurable.
    """
    mask = within & (tbr_image >= threshold_tbr)
    if physiological is not None:
        mask &= ~physiological
    voxel_ml = float(np.prod(spacing_mm)) / _MM3_PER_ML
    components, _ = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    largest_ml = float(np.bincount(components.ravel())[1:].max(initial=0)) * voxel_ml
    # A volume of exactly the limit counts, whatever the rounding of the voxel's edges.
    is_measurable = largest_ml >= measurable_ml * (1 - 1e-6)
    return MetabolicVolume(
        mask=mask,
        volume_ml=float(mask.sum()) * voxel_ml,
        largest_component_ml=largest_ml,
        is_measurable=is_measurable,
    )


def _disc_mean(image: NDArray[Any], center: tuple[np.intp, ...], *, spacing_mm: Spacing) -> float:
    """The mean over an axial disc around a voxel; a voxel at the rim counts by its part inside."""
    disc = _ball_weights((spacing_mm[1], spacing_mm[2]), _DISC_DIAMETER_MM / 2)
    plane = np.asarray(image[center[0]], dtype=np.float64)
    radii = [size // 2 for size in disc.shape]
    padded = np.pad(plane, [(radius, radius) for radius in radii], constant_values=np.nan)
    around = padded[center[1] : center[1] + disc.shape[0], center[2] : center[2] + disc.shape[1]]
    known = np.isfinite(around)
    return float(np.sum(disc * np.where(known, around, 0)) / np.sum(disc * known))


def _peak(image: NDArray[Any], lesion: NDArray[np.bool_], *, spacing_mm: Spacing) -> float:
    """The highest mean over a sphere of 1 mL around a voxel of the lesion, inside of the image."""
    sphere = _ball_weights(spacing_mm, (3 * _PEAK_SPHERE_ML * _MM3_PER_ML / (4 * np.pi)) ** (1 / 3))
    radii = np.array(sphere.shape) // 2
    where = np.argwhere(lesion)
    low, high = where.min(axis=0), where.max(axis=0) + 1
    padded = np.pad(image, [(radius, radius) for radius in radii]).astype(np.float64)
    inside = np.pad(np.ones(image.shape), [(radius, radius) for radius in radii])
    crop = tuple(slice(a, b + 2 * radius) for a, b, radius in zip(low, high, radii, strict=True))
    total, weight = (signal.oaconvolve(volume[crop], sphere, mode="valid") for volume in (padded, inside))
    center = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    return float(np.max((total / weight)[lesion[center]]))


def _ball_weights(spacing_mm: tuple[float, ...], radius_mm: float) -> NDArray[np.float64]:
    """The part of each voxel that lies in a ball around the middle voxel's center."""
    axes = []
    for spacing in spacing_mm:
        reach = int(np.ceil(radius_mm / spacing - 0.5)) if radius_mm > spacing / 2 else 0
        count = (2 * reach + 1) * _SUBDIVISIONS
        axes.append((np.arange(count) - (count - 1) / 2) / _SUBDIVISIONS * spacing)
    square = sum(np.meshgrid(*(axis**2 for axis in axes), indexing="ij"))
    inside = np.asarray(square <= radius_mm**2, dtype=np.float64)
    for axis in range(len(axes)):
        sizes = [*inside.shape[:axis], inside.shape[axis] // _SUBDIVISIONS, _SUBDIVISIONS, *inside.shape[axis + 1 :]]
        inside = inside.reshape(sizes).mean(axis=axis + 1)
    return inside
