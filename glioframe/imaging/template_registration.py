"""Affine alignment of the average brain to a patient's: how what is known of the one is carried to the other.

Similarity is Mattes' mutual information within the template's brain, so that any MRI or PET will do, with or without
skull. Voxels of a lesion do not count. One thread and no random sampling: equal images give equal results.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 - its users' own abbreviation
from scipy import ndimage

from glioframe.core.errors import ImageError
from glioframe.imaging.brain_template import load_brain_template
from glioframe.imaging.resample import resample, sample_at, sitk_image
from glioframe.imaging.volume import Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.core.geometry import Geometry

_TEMPLATE_SPACING_MM = 4.0
_RIM_MM = 8.0  # around the template's brain: its outline counts, the neck does not
_NUM_BINS = 32
_LEVELS = ((2, 6.0), (1, 3.0))
"""Shrink factor and blur in mm, from coarse to fine."""
_LARGEST_STRETCH = 1.4  # of an axis; heads of adults stay well below


@dataclass(frozen=True, kw_only=True, eq=False)
class TemplateAlignment:
    """Where the average brain's tissue lies in a patient.

    Attributes:
        template_from_patient: (4, 4), from RAS+ mm of the patient to RAS+ mm of the template.
        similarity_before: Mutual information in nats, with the middles of both brains in one place.
        similarity_after: The same after the alignment.
    """

    template_from_patient: NDArray[np.float64]
    similarity_before: float
    similarity_after: float

    @property
    def is_plausible(self) -> bool:
        """Whether the images came closer, and no axis was stretched as no head is."""
        stretch = np.linalg.svd(self.template_from_patient[:3, :3], compute_uv=False)
        is_head = stretch.min() > 1 / _LARGEST_STRETCH and stretch.max() < _LARGEST_STRETCH
        return bool(self.similarity_after > self.similarity_before and is_head)

    def striatum_on(self, geometry: Geometry) -> NDArray[np.float32]:
        """Fraction of striatum in each voxel of a patient's grid, (2, z, y, x): left, then right."""
        return np.stack([sample_at(side, geometry, self.template_from_patient) for side in _striatum_by_side()])


def register_template(image: Volume, *, brain: Volume, lesion: Volume | None = None) -> TemplateAlignment:
    """Finds where the average brain's tissue lies in a patient.

    Args:
        image: An MRI, or a PET.
        brain: Mask, to start from its middle.
        lesion: Mask on the grid of ``image``; None when unknown.

    Raises:
        ImageError: The images do not overlap, or ``image`` or ``brain`` is empty.
    """
    if not brain.array.any() or np.ptp(image.array) == 0:
        raise ImageError(
            "template registration",
            expected="an image of a brain",
            found="a constant image" if brain.array.any() else "an empty brain mask",
            fix="Look at the image; remove it from the case if it is empty",
        )
    template = _coarse_template()
    middle_mm, brain_mm = (np.array(_middle_mm(volume)) for volume in (template, brain))
    transform = sitk.AffineTransform(3)
    transform.SetCenter(middle_mm.tolist())
    transform.SetTranslation((brain_mm - middle_mm).tolist())
    fixed, moving = sitk_image(template), sitk_image(Volume(image.array.astype(np.float32), image.geometry))
    method = _method(template, lesion)
    method.SetInitialTransform(transform, inPlace=True)
    try:
        before = -method.MetricEvaluate(fixed, moving)
        method.Execute(fixed, moving)
        after = -method.MetricEvaluate(fixed, moving)
    except RuntimeError as error:
        raise ImageError(
            "template registration",
            expected="an image of a whole brain",
            found=str(error).strip().splitlines()[-1],
            fix="Check the orientation of the image",
        ) from error
    to_patient = np.eye(4)
    to_patient[:3, :3] = np.array(transform.GetMatrix()).reshape(3, 3)
    to_patient[:3, 3] = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    return TemplateAlignment(
        template_from_patient=np.linalg.inv(to_patient).astype(np.float64),
        similarity_before=before,
        similarity_after=after,
    )


def _method(template: Volume, lesion: Volume | None) -> Any:  # noqa: ANN401 - SimpleITK is untyped
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(_NUM_BINS)
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(sitk.sitkLinear)
    rim = ndimage.binary_dilation(template.array > 0, iterations=round(_RIM_MM / _TEMPLATE_SPACING_MM))
    method.SetMetricFixedMask(_sitk_mask(rim, template.geometry))
    if lesion is not None:
        method.SetMetricMovingMask(_sitk_mask(lesion.array == 0, lesion.geometry))
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0, minStep=0.01, numberOfIterations=100, relaxationFactor=0.7, gradientMagnitudeTolerance=1e-6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([shrink for shrink, _ in _LEVELS])
    method.SetSmoothingSigmasPerLevel([blur_mm for _, blur_mm in _LEVELS])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    return method


@cache
def _coarse_template() -> Volume:
    return resample(load_brain_template().t1, (_TEMPLATE_SPACING_MM,) * 3, order=1)


@cache
def _striatum_by_side() -> tuple[Volume, Volume]:
    striatum = load_brain_template().striatum
    right_mm = np.array([striatum.geometry.world_mm((0, 0, x))[0] for x in range(striatum.geometry.shape_vox[2])])
    left, right = (
        Volume(striatum.array * side.astype(np.float32), striatum.geometry) for side in (right_mm < 0, right_mm > 0)
    )
    return left, right


def _middle_mm(volume: Volume) -> tuple[float, float, float]:
    z, y, x = ndimage.center_of_mass(volume.array > 0)
    return volume.geometry.world_mm((z, y, x))


def _sitk_mask(mask: NDArray[np.bool_], geometry: Geometry) -> Any:  # noqa: ANN401 - SimpleITK is untyped
    return sitk_image(Volume(mask.astype(np.uint8), geometry))
