"""One patient of a dynamic cohort: anatomy, kinetics and images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from glioframe.core.seeds import derive_seed
from glioframe.simulation.anatomy import Anatomy, build_anatomy
from glioframe.simulation.dynamic_pet import scan_dynamic_pet
from glioframe.simulation.foci import Foci, place_foci
from glioframe.simulation.lesion import Lesion, grow_lesion
from glioframe.simulation.mri import flair_brightness, scan_mri, t1c_brightness
from glioframe.simulation.physiology import Physiology, build_physiology
from glioframe.simulation.tissues import Tissue

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.core.modality import Tracer
    from glioframe.simulation.dynamic_roster import DynamicPatient
    from glioframe.simulation.grid import FloatArray, Grid
    from glioframe.simulation.template import Template

TISSUE_LABELS: Final = {
    "background": 0,
    **{tissue.value: value for value, tissue in enumerate(Tissue, start=1)},
    "hot_spot": len(Tissue) + 1,
    "decoy": len(Tissue) + 2,
}
"""Values of the truth's tissue map; ``tumor`` is the bulk of the living tissue."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DynamicCase:
    """What is simulated of one patient; volumes are (z, y, x).

    Attributes:
        anatomy: The healthy brain.
        lesion: The lesion in it.
        foci: Where in the lesion the hot spot and the decoy are.
        physiology: The kinetics of every voxel.
        t1c: T1c-like image, scanner units.
        flair: FLAIR-like image, scanner units; made also where the cohort then drops it.
        pet_suv: The frames of the PET, (t, z, y, x).
    """

    anatomy: Anatomy
    lesion: Lesion
    foci: Foci
    physiology: Physiology
    t1c: FloatArray
    flair: FloatArray
    pet_suv: FloatArray

    @property
    def tissue_map(self) -> NDArray[np.int16]:
        """The tissue that most of each voxel is, by :data:`TISSUE_LABELS`."""
        fractions = np.stack([self.physiology.fractions[tissue] for tissue in Tissue])
        labels = np.where(self.anatomy.brain, fractions.argmax(axis=0) + 1, 0).astype(np.int16)
        is_tumor = labels == TISSUE_LABELS[Tissue.TUMOR]
        labels[is_tumor & self.foci.hot_spot_mask] = TISSUE_LABELS["hot_spot"]
        labels[is_tumor & self.foci.decoy_mask] = TISSUE_LABELS["decoy"]
        return labels


def simulate_dynamic_case(patient: DynamicPatient, template: Template, grid: Grid, tracer: Tracer) -> DynamicCase:
    """Makes one patient's brain, lesion, kinetics and images."""

    def stream(name: str) -> np.random.Generator:
        return np.random.default_rng(derive_seed(patient.place.seed, name))

    site = patient.place.site
    anatomy = build_anatomy(template, grid, stream("anatomy"))
    lesion = grow_lesion(anatomy, template, patient.lesion, stream("growth"))
    foci = place_foci(grid, lesion, stream("foci"), has_decoy=patient.has_decoy)
    physiology = build_physiology(anatomy, lesion, foci, tracer, patient.variation, stream("kinetic texture"))
    t1c = t1c_brightness(anatomy, lesion, patient.lesion, stream("enhancement"))
    flair = flair_brightness(anatomy, lesion)
    pet_suv = scan_dynamic_pet(
        physiology,
        patient.schedule,
        site.dynamic,
        patient.motion,
        grid=grid,
        brain=anatomy.brain,
        rng=stream("pet"),
    )
    pet_suv *= np.float32(site.pet_scale)
    return DynamicCase(
        anatomy=anatomy,
        lesion=lesion,
        foci=foci,
        physiology=physiology,
        t1c=scan_mri(t1c, anatomy.brain, grid, site, stream("t1c")),
        flair=scan_mri(flair, anatomy.brain, grid, site, stream("flair")),
        pet_suv=pet_suv,
    )
