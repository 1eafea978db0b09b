"""The words for image channels: modality, tracer, unit (architecture, section 3)."""

from __future__ import annotations

from enum import StrEnum


class Modality(StrEnum):
    """What a channel shows. MRI names follow BraTS 2023."""

    T1N = "t1n"
    T1C = "t1c"
    T2W = "t2w"
    T2F = "t2f"
    ADC = "adc"
    RCBV = "rcbv"
    CT = "ct"
    PET_STATIC = "pet_static"
    PET_DYNAMIC = "pet_dynamic"
    PET_PARAMETRIC = "pet_parametric"

    @property
    def is_pet(self) -> bool:
        """Whether the channel is a PET image or a map computed from one."""
        return self in {Modality.PET_STATIC, Modality.PET_DYNAMIC, Modality.PET_PARAMETRIC}

    @property
    def is_weighted_mri(self) -> bool:
        """Whether the intensity scale is arbitrary, as in every weighted MRI sequence."""
        return self in {Modality.T1N, Modality.T1C, Modality.T2W, Modality.T2F}


class Tracer(StrEnum):
    """PET tracers by their BIDS ``trc`` label, in lower case."""

    FDOPA = "fdopa"
    FET = "fet"
    MET = "met"
    FDG = "fdg"


class Unit(StrEnum):
    """What the voxel values of a quantitative channel are measured in."""

    BQ_ML = "bq_ml"
    SUV_BW = "suv_bw"
    TBR = "tbr"
    HU = "hu"
    MM2_S = "mm2_s"
    RELATIVE = "relative"
