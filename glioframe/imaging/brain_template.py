"""The average brain MNI152, symmetric and without its skull, as the nilearn package carries it: nothing is downloaded.

Its striatum is caudate nucleus and putamen of both sides: the gray matter inside of ellipsoids read off the T1 map. The
globus pallidus, which takes up little FDOPA, is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glioframe.core.geometry import Geometry
from glioframe.imaging.volume import Volume, affine_from_array

if TYPE_CHECKING:
    from nilearn.datasets.struct import Nifti1Image
    from numpy.typing import NDArray

_STRIATUM_ELLIPSOIDS_MM = (
    # Center and half axes (z, y, x) in MNI mm, right side; read off the T1 template.
    ((8.0, 13.0, 13.0), (12.0, 12.0, 6.5)),  # head of the caudate nucleus
    ((1.0, 3.0, 26.0), (10.0, 17.0, 7.5)),  # putamen
)


@dataclass(frozen=True, kw_only=True, eq=False)
class BrainTemplate:
    """Maps on one grid of 1 mm, in the RAS+ mm of the MNI.

    Attributes:
        t1: T1-weighted brightness from 0 to 1, 0 outside of the brain.
        gray_matter: Fraction of gray matter, striatum included.
        white_matter: Fraction of white matter.
        striatum: Fraction of caudate nucleus and putamen.
    """

    t1: Volume
    gray_matter: Volume
    white_matter: Volume
    striatum: Volume


def load_brain_template() -> BrainTemplate:
    """Reads the maps: a second, and 140 MB as long as they are kept."""
    from nilearn import datasets  # a second of its own, which only those who need the template shall wait

    t1 = _volume(datasets.load_mni152_template(resolution=1))
    gray_matter = _volume(datasets.load_mni152_gm_template(resolution=1))
    white_matter = _volume(datasets.load_mni152_wm_template(resolution=1))
    return BrainTemplate(t1=t1, gray_matter=gray_matter, white_matter=white_matter, striatum=_striatum(gray_matter))


def _volume(image: Nifti1Image) -> Volume:
    """The map as (z, y, x); the files' axes are RAS+ already."""
    array_zyx = np.ascontiguousarray(image.get_fdata(dtype=np.float32).T)
    return Volume(array_zyx, Geometry(shape_vox=array_zyx.shape, affine=affine_from_array(image.affine)))


def _striatum(gray_matter: Volume) -> Volume:
    """Gray matter inside the ellipsoids of both sides.

    The putamen is about half gray in the template's map, so the map is stretched to make it whole.
    """
    gray: NDArray[np.float32] = gray_matter.array
    z, y, x = np.ogrid[tuple(slice(0, n) for n in gray.shape)]
    x0, y0, z0 = (np.float32(edge) for edge in gray_matter.geometry.world_mm((0, 0, 0)))
    position = (z + z0, y + y0, np.abs(x + x0))
    inside = np.zeros(gray.shape, dtype=bool)
    for center, half_axes in _STRIATUM_ELLIPSOIDS_MM:
        inside |= sum(((p - c) / a) ** 2 for p, c, a in zip(position, center, half_axes, strict=True)) < 1
    return Volume(np.asarray(inside * np.clip((gray - 0.2) / 0.25, 0, 1), dtype=np.float32), gray_matter.geometry)
