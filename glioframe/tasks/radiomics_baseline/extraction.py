"""PyRadiomics on the box around a lesion: the same values, without the work that does not depend on the channel.

PyRadiomics' extractor searches the whole image for the region, hashes it, labels its parts and measures its shape
anew for every channel. Here the region is cut out once, its shape is measured once, and the feature classes are
called directly on the small box.
"""

from __future__ import annotations

import logging
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glioframe.core.geometry import Spacing
    from glioframe.tasks.radiomics_baseline.extraction_settings import Discretization

Array = NDArray[Any]
Mask = NDArray[np.bool_]

VERSION = 2
"""Raised with every change of this module that changes a value."""

TEXTURE_CLASSES = ("firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")
_FEWEST_VOXELS = 10
"""Texture of fewer voxels counts next to nothing."""
_FEWEST_DIMENSIONS = 2
_PADDING_VOX = 5  # around the region when resampling, as in PyRadiomics


def library() -> str:
    """The name and version of what computes the features."""
    return f"pyradiomics-bhklab {metadata.version('pyradiomics-bhklab')}"


def is_measurable(mask: Mask) -> bool:
    """Whether a region is large enough for features: ten voxels, in more than a line."""
    if int(mask.sum()) < _FEWEST_VOXELS:
        return False
    extents = np.ptp(np.argwhere(mask), axis=0) + 1
    return int((extents > 1).sum()) >= _FEWEST_DIMENSIONS


def shape_features(mask: Mask, *, spacing_mm: Spacing) -> dict[str, float]:
    """Shape of a region (z, y, x), named ``shape_MeshVolume`` and so on."""
    from radiomics.shape import RadiomicsShape

    (box,) = _boxes_of(mask)
    region = _sitk_image(mask[box].astype(np.uint32), spacing_mm)
    return _values("shape", RadiomicsShape(region, region, label=1))


def gray_level_features(image: Array, mask: Mask, *, spacing_mm: Spacing, how: Discretization) -> dict[str, float]:
    """First-order and texture features of a channel in a region, named ``glcm_JointEntropy`` and so on.

    Args:
        image: ``(z, y, x)``.
        mask: ``(z, y, x)``.
        spacing_mm: Voxel edges (z, y, x).
        how: Bins and resegmentation.

    Returns:
        NaN for a feature that is not defined for the region.
    """
    from radiomics import firstorder, glcm, gldm, glrlm, glszm, ngtdm

    if how.resegment_sigma is not None:
        mask = _within_sigma(image, mask, how.resegment_sigma)
    (box,) = _boxes_of(mask)
    values = _sitk_image(image[box], spacing_mm)
    region = _sitk_image(mask[box].astype(np.uint32), spacing_mm)
    bins = {"binCount": how.bin_count} if how.bin_width is None else {"binWidth": how.bin_width}
    classes = {
        "firstorder": firstorder.RadiomicsFirstOrder,
        "glcm": glcm.RadiomicsGLCM,
        "glrlm": glrlm.RadiomicsGLRLM,
        "glszm": glszm.RadiomicsGLSZM,
        "gldm": gldm.RadiomicsGLDM,
        "ngtdm": ngtdm.RadiomicsNGTDM,
    }
    features: dict[str, float] = {}
    with np.errstate(all="ignore"):  # flat regions divide by zero; what comes of it is NaN and says so
        for name, feature_class in classes.items():
            features |= _values(name, feature_class(values, region, label=1, **bins))
    return features


def resampled(
    channels: Mapping[str, Array],
    mask: Mask,
    *,
    spacing_mm: Spacing,
    to_mm: float,
    interpolation: Mapping[str, str],
) -> tuple[dict[str, Array], Mask]:
    """Channels and region on cubic voxels, by PyRadiomics' own resampling.

    Args:
        channels: ``(z, y, x)`` by name.
        mask: ``(z, y, x)``.
        spacing_mm: Voxel edges (z, y, x).
        to_mm: Edge of the new voxels.
        interpolation: ``linear`` or ``b_spline`` by channel.
    """
    import SimpleITK as sitk  # noqa: N813
    from radiomics.imageoperations import resampleImage

    interpolators = {"linear": sitk.sitkLinear, "b_spline": sitk.sitkBSpline}
    region = _sitk_image(mask.astype(np.uint32), spacing_mm)
    result: dict[str, Array] = {}
    new_mask = mask
    for name, array in channels.items():
        image, new_region = resampleImage(
            _sitk_image(array, spacing_mm),
            region,
            label=1,
            resampledPixelSpacing=(to_mm,) * 3,
            interpolator=interpolators[interpolation[name]],
            padDistance=_PADDING_VOX,
        )
        result[name] = sitk.GetArrayFromImage(image)
        new_mask = sitk.GetArrayFromImage(new_region) == 1
    return result, new_mask


def _within_sigma(image: Array, mask: Mask, sigma: float) -> Mask:
    """The voxels of a region within so many standard deviations of its mean (IBSI 1, section 2.5)."""
    inside = image[mask].astype(np.float64)
    low, high = inside.mean() - sigma * inside.std(), inside.mean() + sigma * inside.std()
    kept: Mask = mask & (image >= low) & (image <= high)
    return kept


def _boxes_of(mask: Mask) -> tuple[tuple[slice, ...]]:
    where = np.argwhere(mask)
    low, high = where.min(axis=0), where.max(axis=0) + 1
    return (tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True)),)


def _sitk_image(array: Array, spacing_mm: Spacing) -> Any:  # noqa: ANN401 - SimpleITK is untyped
    import SimpleITK as sitk  # noqa: N813

    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing(tuple(reversed(spacing_mm)))
    return image


def _values(class_name: str, feature_class: Any) -> dict[str, float]:  # noqa: ANN401 - PyRadiomics is untyped
    logging.getLogger("radiomics").setLevel(logging.CRITICAL)  # it logs every class at every call
    found = feature_class.execute()
    return {f"{class_name}_{name}": float(value) for name, value in found.items()}
