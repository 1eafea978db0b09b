"""One patient's images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glioframe.core.seeds import derive_seed
from glioframe.simulation.anatomy import Anatomy, build_anatomy
from glioframe.simulation.lesion import Lesion, grow_lesion
from glioframe.simulation.mri import flair_brightness, scan_mri, t1c_brightness
from glioframe.simulation.pet import scan_pet, uptake_suv

if TYPE_CHECKING:
    from glioframe.simulation.grid import FloatArray, Grid
    from glioframe.simulation.roster import Patient
    from glioframe.simulation.template import Template


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedCase:
    """What is simulated of one patient; volumes are (z, y, x).

    Attributes:
        anatomy: The healthy brain.
        lesion: The lesion in it.
        t1c: T1c-like image, scanner units.
        flair: FLAIR-like image, scanner units; made also where the cohort then drops it.
        fdopa: Static FDOPA PET, SUV by body weight.
    """

    anatomy: Anatomy
    lesion: Lesion
    t1c: FloatArray
    flair: FloatArray
    fdopa: FloatArray


def simulate_case(patient: Patient, template: Template, grid: Grid) -> SimulatedCase:
    """Makes one patient's brain, lesion and images."""

    def stream(name: str) -> np.random.Generator:
        return np.random.default_rng(derive_seed(patient.seed, name))

    anatomy = build_anatomy(template, grid, stream("anatomy"))
    lesion = grow_lesion(anatomy, template, patient.lesion, stream("growth"))
    t1c = t1c_brightness(anatomy, lesion, patient.lesion, stream("enhancement"))
    flair = flair_brightness(anatomy, lesion)
    suv = patient.traits.uptake_factor * uptake_suv(anatomy, lesion, patient.lesion, stream("uptake"))
    return SimulatedCase(
        anatomy=anatomy,
        lesion=lesion,
        t1c=scan_mri(t1c, anatomy.brain, grid, patient.site, stream("t1c")),
        flair=scan_mri(flair, anatomy.brain, grid, patient.site, stream("flair")),
        fdopa=scan_pet(suv, anatomy.brain, grid, patient.site, stream("fdopa")),
    )
