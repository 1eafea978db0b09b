"""Hospitals: the same patient would look slightly different in each."""

from __future__ import annotations

from dataclasses import dataclass

from glioframe.core.modality import Tracer


@dataclass(frozen=True, kw_only=True, slots=True)
class DynamicScanner:
    """How a hospital acquires dynamic PET.

    Attributes:
        frame_patterns: By tracer, the frames from injection on, as ``8x15,2x30``.
        blur_mm: Full width at half maximum of the image's blur.
        noise: Standard deviation over signal in a voxel of the reference tissue, of a frame of one minute that
            starts 29 min after injection.
        motion_rate: Fraction of the patients who move their head once during the scan.
    """

    frame_patterns: dict[Tracer, str]
    blur_mm: float
    noise: float
    motion_rate: float


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
        dynamic: The dynamic PET.
    """

    name: str
    activity_bq_per_kg: float
    pet_blur_mm: float
    pet_noise: float
    pet_scale: float
    mri_gain: float
    mri_noise: float
    dynamic: DynamicScanner


# The frames differ as they do between hospitals; all of them cover the tracer's static window, 10 to 30 min (FDOPA)
# and 20 to 40 min (FET).
TRAINING_SITES = (
    Site(
        name="A",
        activity_bq_per_kg=2e6,
        pet_blur_mm=4.5,
        pet_noise=0.09,
        pet_scale=1.0,
        mri_gain=600.0,
        mri_noise=0.015,
        dynamic=DynamicScanner(
            frame_patterns={Tracer.FDOPA: "30x60", Tracer.FET: "7x10,3x30,1x120,3x300,2x600"},
            blur_mm=4.0,
            noise=0.12,
            motion_rate=0.3,
        ),
    ),
    Site(
        name="B",
        activity_bq_per_kg=3e6,
        pet_blur_mm=6.0,
        pet_noise=0.12,
        pet_scale=1.05,
        mri_gain=950.0,
        mri_noise=0.025,
        dynamic=DynamicScanner(
            frame_patterns={Tracer.FDOPA: "8x15,2x30,2x60,5x300", Tracer.FET: "5x60,5x180,6x300"},
            blur_mm=5.0,
            noise=0.18,
            motion_rate=0.3,
        ),
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
    dynamic=DynamicScanner(
        frame_patterns={Tracer.FDOPA: "6x20,8x60,4x300", Tracer.FET: "5x60,5x180,5x300"},
        blur_mm=4.5,
        noise=0.15,
        motion_rate=0.5,
    ),
)
