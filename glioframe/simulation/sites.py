"""Hospitals: the same patient would look slightly different in each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """The scanners of one hospital.

    Attributes:
        name: As in cases.tsv.
        activity_bq_per_kg: Injected activity that it aims at.
        pet_blur_mm: Full width at half maximum of the PET image's blur.
        pet_noise: Standard deviation of the PET noise over the signal, at the mean uptake of the brain.
        pet_scale: Calibration error of the PET scanner, as a factor.
        mri_gain: Scanner units per unit of brightness.
        mri_noise: Standard deviation of the MRI noise, in units of brightness.
    """

    name: str
    activity_bq_per_kg: float
    pet_blur_mm: float
    pet_noise: float
    pet_scale: float
    mri_gain: float
    mri_noise: float


TRAINING_SITES = (
    Site(
        name="A",
        activity_bq_per_kg=2e6,
        pet_blur_mm=4.5,
        pet_noise=0.09,
        pet_scale=1.0,
        mri_gain=600.0,
        mri_noise=0.015,
    ),
    Site(
        name="B",
        activity_bq_per_kg=3e6,
        pet_blur_mm=6.0,
        pet_noise=0.12,
        pet_scale=1.05,
        mri_gain=950.0,
        mri_noise=0.025,
    ),
)
EXTERNAL_SITE = Site(
    name="C",
    activity_bq_per_kg=2.5e6,
    pet_blur_mm=5.2,
    pet_noise=0.12,
    pet_scale=0.95,
    mri_gain=280.0,
    mri_noise=0.02,
)
