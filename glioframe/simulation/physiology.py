"""The kinetics of every voxel of a patient: what the dynamic PET is computed from, and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from glioframe.pet.frames import FrameSchedule
from glioframe.pet.input_function import population_input
from glioframe.pet.tissue_tables import TISSUE_TABLES
from glioframe.pet.two_tissue import TissueKinetics, two_tissue_frames, two_tissue_voxels
from glioframe.simulation.tissues import Tissue
from glioframe.simulation.tumor_kinetics import texture_fields, voxel_constants

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from glioframe.core.modality import Tracer
    from glioframe.pet.input_function import InputFunction
    from glioframe.simulation.anatomy import Anatomy
    from glioframe.simulation.foci import Foci
    from glioframe.simulation.grid import BoolArray, FloatArray
    from glioframe.simulation.lesion import Lesion
    from glioframe.simulation.tumor_kinetics import TumorKinetics

# Two assumptions: fluid and necrosis have little transport and hardly any blood.
_LIFELESS: Final = {
    Tissue.FLUID: TissueKinetics(k1_ml_cm3_min=0.004, k2_per_min=0.05, vb=0.01),
    Tissue.NECROSIS: TissueKinetics(k1_ml_cm3_min=0.010, k2_per_min=0.05, vb=0.01),
}
_TABLE_ROWS: Final = (Tissue.GRAY_MATTER, Tissue.WHITE_MATTER, Tissue.STRIATUM)

# The truth's curves: frames of 15 s, after the bolus has passed.
_PEAK_FRAME_S = 15.0
_PEAK_SEARCH_START_S = 120.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Variation:
    """How one patient's kinetics differ from the tables.

    Attributes:
        tumor: The lesion's.
        input_scale: Height of the plasma curve over the population's.
        normal_k1_factor: Of all other tissues.
        normal_k2_factor: Likewise.
    """

    tumor: TumorKinetics
    input_scale: float = 1.0
    normal_k1_factor: float = 1.0
    normal_k2_factor: float = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Physiology:
    """A patient's head as tissue of known kinetics.

    Attributes:
        tracer: What is injected.
        input_scale: Height of the patient's plasma curve over the population's.
        normal: Rate constants of all tissues but the tumor.
        fractions: Of every tissue in each voxel (z, y, x); they sum to 1 inside the brain.
        blood: Fraction of each voxel outside the brain that is venous blood, (z, y, x).
        tumor_voxels: (z, y, x), where there is living tumor; n of them.
        tumor_constants: K1, k2, k3, k4 and blood fraction of the tumor in these voxels, (5, n).
    """

    tracer: Tracer
    input_scale: float
    normal: Mapping[Tissue, TissueKinetics]
    fractions: Mapping[Tissue, FloatArray]
    blood: FloatArray
    tumor_voxels: BoolArray
    tumor_constants: NDArray[np.float64]

    def input_until(self, end_s: float) -> InputFunction:
        """The patient's input function, SUV."""
        return population_input(self.tracer, end_s=end_s).scaled(self.input_scale)

    def series(self, schedule: FrameSchedule) -> FloatArray:
        """What a perfect scanner would show in each frame, SUV (t, z, y, x)."""
        return np.stack(list(self.frames(schedule)))

    def frames(self, schedule: FrameSchedule) -> Iterator[FloatArray]:
        """The same, frame by frame (z, y, x)."""
        input_function = self.input_until(schedule.end_s[-1])
        curves = {tissue: two_tissue_frames(self.normal[tissue], input_function, schedule) for tissue in self.normal}
        tumor = two_tissue_voxels(self.tumor_constants, input_function, schedule)
        blood = input_function.whole_blood_frames(schedule)
        for index in range(schedule.num_frames):
            tissue = self._mixture({tissue: curve[index] for tissue, curve in curves.items()}, tumor[index])
            yield tissue + np.float32(blood[index]) * self.blood

    def kinetic_maps(self, end_s: float) -> dict[str, FloatArray]:
        """The truth, by name, (z, y, x): means over the tissues of each voxel; 0 outside the brain.

        ``k2_per_min`` is K1 over the distribution volume of the first compartment, so that it is exact wherever a
        voxel holds one tissue. ``time_to_peak_min`` is that of the whole curve between two minutes and ``end_s``.
        """
        k1, k2, k3, k4, _ = self.tumor_constants
        transport = self._mixture({name: tissue.k1_ml_cm3_min for name, tissue in self.normal.items()}, k1)
        volume = self._mixture({name: t.k1_ml_cm3_min / t.k2_per_min for name, t in self.normal.items()}, k1 / k2)
        second = np.divide(k3, k4, out=np.zeros_like(k3), where=k4 > 0)
        total = self._mixture({name: t.vt_ml_cm3 for name, t in self.normal.items()}, k1 / k2 * (1 + second))
        return {
            "k1_ml_cm3_min": transport,
            "k2_per_min": np.divide(transport, volume, out=np.zeros_like(volume), where=volume > 0),
            "vt_ml_cm3": total,
            "time_to_peak_min": self._time_to_peak_min(end_s),
        }

    def _time_to_peak_min(self, end_s: float) -> FloatArray:
        num_frames = int((end_s - _PEAK_SEARCH_START_S) / _PEAK_FRAME_S)
        schedule = FrameSchedule.from_durations([_PEAK_FRAME_S] * num_frames, start_s=_PEAK_SEARCH_START_S)
        highest = np.zeros(self.tumor_voxels.shape, np.float32)
        peak_min = np.zeros(self.tumor_voxels.shape, np.float32)
        for mid_s, frame in zip(schedule.mid_s, self.frames(schedule), strict=True):
            peak_min[frame > highest] = mid_s / 60
            np.maximum(highest, frame, out=highest)
        return np.where(self.blood > 0, np.float32(0), peak_min)

    def _mixture(self, normal: Mapping[Tissue, float], tumor: NDArray[np.floating]) -> FloatArray:
        """The mean over the tissues of each voxel (z, y, x) of a value by tissue and, of tumor, by voxel (n,)."""
        mean = np.zeros(self.tumor_voxels.shape, np.float32)
        for tissue, value in normal.items():
            mean += np.float32(value) * self.fractions[tissue]
        mean[self.tumor_voxels] += tumor * self.fractions[Tissue.TUMOR][self.tumor_voxels]
        return mean


def build_physiology(
    anatomy: Anatomy, lesion: Lesion, foci: Foci, tracer: Tracer, variation: Variation, rng: np.random.Generator
) -> Physiology:
    """Gives every voxel of a patient's head its kinetics."""
    tumor_voxels = lesion.rim > 0
    constants = voxel_constants(
        variation.tumor,
        foci.hot_spot[tumor_voxels],
        foci.decoy[tumor_voxels],
        texture_fields(rng, anatomy.grid, tumor_voxels),
    )
    rows = {tissue: TISSUE_TABLES[tracer][tissue] for tissue in _TABLE_ROWS} | _LIFELESS
    normal = {
        tissue: replace(
            row,
            k1_ml_cm3_min=row.k1_ml_cm3_min * variation.normal_k1_factor,
            k2_per_min=row.k2_per_min * variation.normal_k2_factor,
        )
        for tissue, row in rows.items()
    }
    return Physiology(
        tracer=tracer,
        input_scale=variation.input_scale,
        normal=normal,
        fractions=lesion.replace_tissue(anatomy.fractions),
        blood=anatomy.sinus,
        tumor_voxels=tumor_voxels,
        tumor_constants=constants,
    )
