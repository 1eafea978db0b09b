"""What each tissue does: its FDOPA uptake and its MRI brightness.

The uptake values are the mean SUV from 10 to 30 min after injection of a one-tissue model whose constants
were fitted so that published uptake ratios and times to peak come out. They are calibrated, not measured.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from glioframe.core.modality import Modality


class Tissue(StrEnum):
    """A compartment of the phantom; the fractions of all of them in a voxel of brain sum to 1."""

    GRAY_MATTER = "gray_matter"
    WHITE_MATTER = "white_matter"
    STRIATUM = "striatum"
    FLUID = "fluid"
    TUMOR = "tumor"
    NECROSIS = "necrosis"


REFERENCE_SUV: Final = 0.94
"""SUV of the tissue tables' reference, two thirds gray and one third white matter.

A lesion's true ratio refers to it. The crescent that is measured holds one third gray matter, nearly two thirds white
and some fluid, and reads 0.80 to 0.81: ratios over it are 16 to 17 % higher.
"""

NORMAL_SUV: Final = {
    Tissue.GRAY_MATTER: 1.06,
    Tissue.WHITE_MATTER: 0.70,
    Tissue.STRIATUM: 1.88,
    # Two assumptions: fluid and necrosis have neither transport nor much blood.
    Tissue.FLUID: 0.20,
    Tissue.NECROSIS: 0.45,
}
"""SUV (body weight, 10 to 30 min) of the tissues that do not depend on the target."""

MRI_BRIGHTNESS: Final = {
    Modality.T2F: {
        Tissue.GRAY_MATTER: 0.62,
        Tissue.WHITE_MATTER: 0.48,
        Tissue.STRIATUM: 0.58,
        Tissue.FLUID: 0.08,
        Tissue.TUMOR: 0.80,
        Tissue.NECROSIS: 0.40,
    },
    # Normal tissue of the T1c comes from the T1 template; these two replace it.
    Modality.T1C: {Tissue.TUMOR: 0.62, Tissue.NECROSIS: 0.35},
}
"""Signal on the scale of the T1 template, where white matter is about 0.85."""
