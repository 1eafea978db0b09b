"""Check of the place of a PET: a head that lies elsewhere than in the MRI is found by registering the two."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from glioframe.core.errors import ImageError
from glioframe.dataset.findings import warning
from glioframe.imaging.registration import register_rigidly
from glioframe.imaging.resample import resample, sample_at
from glioframe.imaging.similarity import normalized_mutual_information

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from glioframe.artifacts.preflight import Finding
    from glioframe.imaging.volume import Volume

_SPACING_MM = 8.0  # what is found is larger than a voxel of it
_MOST_SHIFT_MM = 8.0
_MOST_ROTATION_DEG = 6.0
_LEAST_GAIN = 1.2  # of what normalized mutual information has above 1; simulated pairs that fit gain at most 1.03
_LEVELS = ((1, 8.0), (1, 0.0))
_LEAST_BRAIN_ML = 300.0  # less is a phantom, or a slab that shows too little to compare


def check_alignment(
    case_id: str, path: Path, pet: Volume, *, mri_path: Path, mri: Volume, brain: NDArray[np.bool_]
) -> Iterator[Finding]:
    """A PET must not become clearly more similar to the MRI by a move of more than 8 mm or 6 degrees.

    Both are compared on a grid of 8 mm, and registered only if a step to any side, or a turn, brings them closer.

    Args:
        case_id: The case.
        path: The file of the PET.
        pet: Its values; of a dynamic one the mean over the frames.
        mri_path: The file of the MRI.
        mri: Its values.
        brain: The brain (z, y, x) on the grid of the MRI.
    """
    if brain.sum() * np.prod(mri.geometry.spacing_mm) / 1000.0 < _LEAST_BRAIN_ML:
        return
    moving, fixed = _coarse(pet), _coarse(mri)
    if not _fits_better_nearby(moving, fixed):
        return
    try:
        found = register_rigidly(moving, fixed, levels=_LEVELS)
    except ImageError:  # constant, or apart: other checks tell it
        return
    is_off = found.shift_mm > _MOST_SHIFT_MM or found.rotation_deg > _MOST_ROTATION_DEG
    if is_off and found.nmi_after - 1.0 > _LEAST_GAIN * (found.nmi_before - 1.0):
        yield warning(
            "pet_on_mri",
            path,
            expected=f"the head where {mri_path.name} shows it",
            found=f"that it fits better after a shift of {found.shift_mm:.0f} mm and a turn of "
            f"{found.rotation_deg:.1f} degrees (normalized mutual information {found.nmi_before:.2f} before, "
            f"{found.nmi_after:.2f} after)",
            fix="Look at its picture in preflight.html; if it is off, register it to the MRI or correct its affine",
            case_id=case_id,
        )


def _coarse(volume: Volume) -> Volume:
    z, y, x = (max(_SPACING_MM, edge) for edge in volume.geometry.spacing_mm)
    return resample(volume, (z, y, x), order=1)


def _fits_better_nearby(moving: Volume, fixed: Volume) -> bool:
    """Whether any of twelve small moves raises the similarity: a tenth of the time of a registration."""
    as_it_is = _similarity(moving, fixed, np.eye(4))
    middle = np.array(fixed.geometry.corners_mm()).mean(axis=0)
    return any(_similarity(moving, fixed, move) > as_it_is for move in _small_moves(middle))


def _small_moves(middle_mm: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """A step along, and a turn about, each axis both ways, (4, 4) each."""
    for axis, sign in product(range(3), (-1.0, 1.0)):
        step, turn = np.eye(4), np.eye(4)
        step[axis, 3] = sign * _MOST_SHIFT_MM
        yield step
        turn[:3, :3] = Rotation.from_euler("xyz"[axis], sign * _MOST_ROTATION_DEG, degrees=True).as_matrix()
        turn[:3, 3] = middle_mm - turn[:3, :3] @ middle_mm
        yield turn


def _similarity(moving: Volume, fixed: Volume, to_moving: NDArray[np.float64]) -> float:
    return normalized_mutual_information(fixed.array, sample_at(moving, fixed.geometry, to_moving))
