"""What differs from patient to patient, and how it depends on what the lesion really is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from glioframe.simulation.tissues import REFERENCE_SUV

CLASSES = ("treatment_related_change", "progression")
"""What a lesion can be; the last is the positive class."""

_TBR_MEDIAN = (1.52, 2.43)
# Together with the texture below this makes the best possible AUC about 0.96.
_TBR_LOG_SD = 0.20
_TEXTURE_MEDIAN = (0.11, 0.15)
_TEXTURE_LOG_SD = 0.35
# Enhancement hardly tells the classes apart: 0.4 standard deviations, an AUC of 0.61.
_ENHANCEMENT_MEAN = (0.22, 0.26)
_ENHANCEMENT_SD = 0.10
_VOLUME_MEDIAN_ML = 15.0
_VOLUME_LOG_SD = 0.40
_VOLUME_RANGE_ML = (5.0, 40.0)
_MAX_NECROSIS = 0.3
_EDEMA_MM = (5.0, 14.0)
_UPTAKE_LOG_SD = 0.15
_WEIGHT_MEAN_KG, _WEIGHT_SD_KG, _WEIGHT_RANGE_KG = 75.0, 12.0, (45.0, 120.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class LesionShape:
    """What MRI shows of a lesion.

    Attributes:
        volume_ml: Of tumor and necrosis together.
        necrosis_fraction: Of the volume.
        edema_width_mm: How far the edema reaches.
        enhancement: T1c brightness that contrast agent adds to the rim.
    """

    volume_ml: float
    necrosis_fraction: float
    edema_width_mm: float
    enhancement: float

    @property
    def radius_mm(self) -> float:
        """Radius of the ball of the same volume."""
        return float((3000 * self.volume_ml / (4 * math.pi)) ** (1 / 3))


@dataclass(frozen=True, kw_only=True, slots=True)
class LesionTraits(LesionShape):
    """A lesion with the uptake that a static PET shows.

    Attributes:
        tbr: Mean uptake of the rim over the reference tissue's, before the scanner blurs it.
        texture: Standard deviation of the logarithm of the uptake within the rim.
    """

    tbr: float
    texture: float

    @property
    def suv(self) -> float:
        """Mean SUV of the rim in a patient of average uptake."""
        return self.tbr * REFERENCE_SUV


@dataclass(frozen=True, kw_only=True, slots=True)
class PatientTraits:
    """One patient.

    Attributes:
        weight_kg: Body weight.
        activity_per_kg_factor: Injected activity per body weight, over what the site aims at.
        uptake_factor: Scales every SUV: how much tracer the blood brings.
    """

    weight_kg: float
    activity_per_kg_factor: float
    uptake_factor: float


def sample_lesion(rng: np.random.Generator, *, true_class: str) -> LesionTraits:
    """Draws a lesion of one of :data:`CLASSES`."""
    index = CLASSES.index(true_class)
    volume_ml = _VOLUME_MEDIAN_ML * math.exp(_VOLUME_LOG_SD * rng.standard_normal())
    return LesionTraits(
        volume_ml=float(np.clip(volume_ml, *_VOLUME_RANGE_ML)),
        necrosis_fraction=max(0.0, rng.uniform(-0.5, 1.0)) * _MAX_NECROSIS,
        edema_width_mm=rng.uniform(*_EDEMA_MM),
        tbr=_TBR_MEDIAN[index] * math.exp(_TBR_LOG_SD * rng.standard_normal()),
        texture=_TEXTURE_MEDIAN[index] * math.exp(_TEXTURE_LOG_SD * rng.standard_normal()),
        enhancement=max(0.0, _ENHANCEMENT_MEAN[index] + _ENHANCEMENT_SD * rng.standard_normal()),
    )


def sample_shape(rng: np.random.Generator) -> LesionShape:
    """Draws a lesion whose look on MRI tells nothing about its class."""
    volume_ml = _VOLUME_MEDIAN_ML * math.exp(_VOLUME_LOG_SD * rng.standard_normal())
    return LesionShape(
        volume_ml=float(np.clip(volume_ml, *_VOLUME_RANGE_ML)),
        necrosis_fraction=max(0.0, rng.uniform(-0.5, 1.0)) * _MAX_NECROSIS,
        edema_width_mm=rng.uniform(*_EDEMA_MM),
        enhancement=max(0.0, sum(_ENHANCEMENT_MEAN) / 2 + _ENHANCEMENT_SD * rng.standard_normal()),
    )


def sample_patient(rng: np.random.Generator) -> PatientTraits:
    """Draws what does not depend on the lesion."""
    weight_kg = _WEIGHT_MEAN_KG + _WEIGHT_SD_KG * rng.standard_normal()
    return PatientTraits(
        weight_kg=round(float(np.clip(weight_kg, *_WEIGHT_RANGE_KG)), 1),
        activity_per_kg_factor=math.exp(0.05 * rng.standard_normal()),
        uptake_factor=math.exp(_UPTAKE_LOG_SD * rng.standard_normal()),
    )
