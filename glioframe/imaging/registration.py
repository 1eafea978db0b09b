"""Rigid alignment: a PET to the MRI of its case, and the frames of a series to each other.

Similarity is Mattes' mutual information over all voxels, so that images of different kinds, and frames of different
contrast, can be compared; one thread and no random sampling, so that equal images give equal results.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 - its users' own abbreviation
from numpy.typing import NDArray
from scipy import ndimage

from glioframe.core.errors import ImageError
from glioframe.imaging.resample import resample, sample_at, sitk_image
from glioframe.imaging.similarity import normalized_mutual_information
from glioframe.imaging.volume import Volume, affine_from_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.core.geometry import Geometry
    from glioframe.imaging.series import Series

Matrix = NDArray[np.float64]

_FRAME_BLUR_MM = 4.0  # standard deviation: frames are compared by their shape, not by their noise
_FRAME_SPACING_MM = 8.0  # what the blur leaves needs no finer grid, and 30 frames take seconds instead of minutes
_FRAME_LEVELS = ((1, 0.0),)
_HEAD_RADIUS_MM = 50.0
_LEAST_MOTION_MM = 0.3  # less is not worth another interpolation
_MOST_MOTION_MM = 40.0  # more is a failed registration, not a head in a scanner
_NUM_BINS = 32
_LEVELS = ((4, 4.0), (2, 2.0), (1, 0.0))
"""Shrink factor and blur in mm, from coarse to fine."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RigidAlignment:
    """How an image must be moved to lie on another.

    Attributes:
        matrix: (4, 4), from RAS+ mm of the moving image to RAS+ mm of the fixed one.
        center_mm: The middle of the fixed image.
        similarity_before: Mutual information in nats; 0 is none.
        similarity_after: The same after the move.
        nmi_before: Normalized mutual information, from 1 for unrelated to 2 for equal images.
        nmi_after: The same after the move.
    """

    matrix: Matrix
    center_mm: Matrix
    similarity_before: float
    similarity_after: float
    nmi_before: float
    nmi_after: float

    @property
    def shift_mm(self) -> float:
        """How far the middle of the image moves."""
        return float(np.linalg.norm(self.matrix[:3, :3] @ self.center_mm + self.matrix[:3, 3] - self.center_mm))

    @property
    def rotation_deg(self) -> float:
        """The angle of the rotation."""
        cosine = (np.trace(self.matrix[:3, :3]) - 1) / 2
        return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))

    @property
    def motion_mm(self) -> float:
        """At most how far a point of the head moves, 50 mm from the middle."""
        return self.shift_mm + 2 * _HEAD_RADIUS_MM * float(np.sin(np.radians(self.rotation_deg) / 2))

    @property
    def is_plausible(self) -> bool:
        """Whether the images came closer by a move that a head can make."""
        return self.similarity_after > self.similarity_before and self.motion_mm < _MOST_MOTION_MM


def register_rigidly(moving: Volume, fixed: Volume, *, levels: Sequence[tuple[int, float]] = _LEVELS) -> RigidAlignment:
    """Finds the rigid move of ``moving`` that makes it most similar to ``fixed``.

    Args:
        moving: What is moved.
        fixed: What stays.
        levels: Shrink factor and blur in mm of each resolution, from coarse to fine.

    Raises:
        ImageError: An image is constant, or they do not overlap.
    """
    for name, volume in (("moving", moving), ("fixed", fixed)):
        if np.ptp(volume.array) == 0:
            raise ImageError(
                f"registration, {name} image",
                expected="values that vary",
                found=f"{volume.array.flat[0]:g} everywhere",
                fix="Look at the image; remove it from the case if it is empty",
            )
    target, source = sitk_image(fixed), sitk_image(moving)
    middle = np.array(fixed.geometry.corners_mm()).mean(axis=0)
    transform = sitk.Euler3DTransform(middle.tolist())
    method = _method(levels)
    method.SetInitialTransform(transform, inPlace=True)
    try:
        before = -method.MetricEvaluate(target, source)
        method.Execute(target, source)
        after = -method.MetricEvaluate(target, source)
    except RuntimeError as error:
        raise ImageError(
            "registration",
            expected="two images that overlap",
            found=str(error).strip().splitlines()[-1],
            fix="Check the orientation of both images, or set rigid_alignment to false in plans.json",
        ) from error
    # ITK maps points of the fixed image to the moving one.
    to_moving = np.eye(4)
    to_moving[:3, :3] = np.array(transform.GetMatrix()).reshape(3, 3)
    to_moving[:3, 3] = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    there, here = (sample_at(moving, fixed.geometry, matrix) for matrix in (np.eye(4), to_moving))
    return RigidAlignment(
        matrix=np.linalg.inv(to_moving).astype(np.float64),
        center_mm=middle,
        similarity_before=before,
        similarity_after=after,
        nmi_before=normalized_mutual_information(fixed.array, there),
        nmi_after=normalized_mutual_information(fixed.array, here),
    )


def moved(geometry: Geometry, alignment: RigidAlignment) -> Geometry:
    """The same grid where it lies after the move: no value is interpolated."""
    return replace(geometry, affine=affine_from_array(alignment.matrix @ np.array(geometry.affine)))


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameMotion:
    """What was done to one frame.

    Attributes:
        alignment: The move that was found; None for a frame that shows too little of the head to tell.
        applied: The move that was made; None where the frame stayed as it was.
    """

    alignment: RigidAlignment | None
    applied: RigidAlignment | None

    @property
    def has_failed(self) -> bool:
        """Whether the move that was found is none that a head can make."""
        return self.alignment is not None and self.alignment.motion_mm >= _MOST_MOTION_MM


def correct_motion(
    series: Series, *, reference: NDArray[Any], first_frame: int
) -> tuple[NDArray[np.float32], tuple[FrameMotion, ...]]:
    """Moves each frame onto a reference image, where it is off by more than a third of a millimetre.

    Args:
        series: Frames (t, z, y, x).
        reference: (z, y, x) on the same grid, as the static image.
        first_frame: Frames before it show the bolus and little of the head: they move as this frame does.

    Returns:
        The frames, and what was done to each.
    """
    fixed = _outlines(reference, series.geometry)
    frames = np.array(series.array, dtype=np.float32)
    motion: list[FrameMotion] = []
    for index in range(first_frame, len(frames)):
        found = register_rigidly(_outlines(frames[index], series.geometry), fixed, levels=_FRAME_LEVELS)
        is_moved = found.is_plausible and found.motion_mm > _LEAST_MOTION_MM
        motion.append(FrameMotion(alignment=found, applied=found if is_moved else None))
    early = [FrameMotion(alignment=None, applied=motion[0].applied)] * first_frame
    motion = [*early, *motion]
    for frame, each in zip(frames, motion, strict=True):
        if each.applied is not None:
            to_moving = np.linalg.inv(each.applied.matrix)
            frame[...] = sample_at(Volume(frame, series.geometry), series.geometry, to_moving)
    return frames, tuple(motion)


def _method(levels: Sequence[tuple[int, float]]) -> Any:  # noqa: ANN401 - SimpleITK is untyped
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(_NUM_BINS)
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0, minStep=0.001, numberOfIterations=200, relaxationFactor=0.7, gradientMagnitudeTolerance=1e-6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([shrink for shrink, _ in levels])
    method.SetSmoothingSigmasPerLevel([blur_mm for _, blur_mm in levels])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    return method


def _outlines(frame: NDArray[Any], geometry: Geometry) -> Volume:
    """The frame without its noise, on a coarse grid."""
    sigma_vox = [_FRAME_BLUR_MM / edge for edge in geometry.spacing_mm]
    blurred = Volume(ndimage.gaussian_filter(frame.astype(np.float32), sigma_vox), geometry)
    z, y, x = (max(_FRAME_SPACING_MM, edge) for edge in geometry.spacing_mm)
    return resample(blurred, (z, y, x), order=1)
