"""Rate constants of brain and glioma for [18F]FDOPA and [18F]FET: calibrated, not measured.

They were fitted by least squares so that, with the population input functions, published times to peak and uptake
ratios come out. The height of K1 is known only up to the height of the plasma curve, and late slopes were not
calibrated; those of FDOPA may be steeper than in patients.
"""

from __future__ import annotations

from typing import Final

from glioframe.core.modality import Tracer
from glioframe.pet.two_tissue import TissueKinetics

PROVENANCE: Final = "calibrated to published times to peak and uptake ratios, not measured"


def _tissue(k1: float, k2: float, k3: float, k4: float, vb: float) -> TissueKinetics:
    return TissueKinetics(k1_ml_cm3_min=k1, k2_per_min=k2, k3_per_min=k3, k4_per_min=k4, vb=vb)


FET_TISSUES: Final = {
    "white_matter": _tissue(0.016, 0.045, 0.018, 0.045, 0.02),
    "gray_matter": _tissue(0.030, 0.055, 0.020, 0.045, 0.04),
    "striatum": _tissue(0.029, 0.055, 0.020, 0.045, 0.04),
    "reference": _tissue(0.025, 0.050, 0.019, 0.045, 0.03),
    "glioblastoma_bulk": _tissue(0.165, 0.188, 0.020, 0.060, 0.06),
    "hot_spot": _tissue(0.327, 0.258, 0.020, 0.080, 0.08),
    "max_uptake_decoy": _tissue(0.212, 0.147, 0.020, 0.045, 0.05),
    "idh_mutant_astrocytoma": _tissue(0.111, 0.141, 0.020, 0.045, 0.04),
    "oligodendroglioma": _tissue(0.163, 0.159, 0.020, 0.045, 0.05),
    "low_grade_accumulating": _tissue(0.076, 0.111, 0.020, 0.045, 0.03),
    "progression": _tissue(0.189, 0.180, 0.020, 0.060, 0.06),
    "treatment_related_change": _tissue(0.061, 0.084, 0.012, 0.045, 0.03),
}

FDOPA_TISSUES: Final = {
    "white_matter": _tissue(0.019, 0.055, 0.0, 0.0, 0.02),
    "gray_matter": _tissue(0.032, 0.065, 0.0, 0.0, 0.04),
    "cerebellum": _tissue(0.033, 0.070, 0.0, 0.0, 0.04),
    "striatum": _tissue(0.046, 0.060, 0.045, 0.004, 0.04),
    "reference": _tissue(0.027, 0.060, 0.0, 0.0, 0.03),
    "idh_wildtype_bulk": _tissue(0.252, 0.340, 0.0, 0.0, 0.06),
    "hot_spot": _tissue(0.368, 0.399, 0.0, 0.0, 0.08),
    "max_uptake_decoy": _tissue(0.191, 0.171, 0.0, 0.0, 0.05),
    "idh_mutant_astrocytoma": _tissue(0.176, 0.256, 0.0, 0.0, 0.05),
    "oligodendroglioma": _tissue(0.156, 0.195, 0.0, 0.0, 0.05),
    "progression": _tissue(0.212, 0.228, 0.0, 0.0, 0.06),
    "treatment_related_change": _tissue(0.063, 0.107, 0.0, 0.0, 0.03),
}

TISSUE_TABLES: Final = {Tracer.FET: FET_TISSUES, Tracer.FDOPA: FDOPA_TISSUES}
"""By tracer, the constants of each tissue; of the mixture in the reference region too."""
