"""One lesion's kinetics: its bulk, a hot spot that is faster, a decoy that takes up more but later."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from glioframe.core.modality import Tracer
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.input_function import population_input
from glioframe.pet.tissue_tables import TISSUE_TABLES
from glioframe.pet.two_tissue import two_tissue_frames
from glioframe.simulation.fields import smooth_field
from glioframe.simulation.questions import PATIENT_CORRELATION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from glioframe.pet.two_tissue import TissueKinetics
    from glioframe.simulation.grid import BoolArray, FloatArray, Grid
    from glioframe.simulation.questions import Question

_BLOOD_LOG_SD = 0.10
_FIELD_SCALE_MM = 8.0
# The decoy's uptake over the highest other one, at least; in the tables it is 1.20 (FET) and 1.26 (FDOPA).
_DECOY_LEAD = 1.15
_STATIC_WINDOWS_S: Final = {Tracer.FDOPA: (600.0, 1800.0), Tracer.FET: (1200.0, 2400.0)}


@dataclass(frozen=True, kw_only=True, slots=True)
class TumorKinetics:
    """The rate constants of one lesion's living tissue.

    Attributes:
        bulk: Most of it.
        hot_spot: The most aggressive part: the earliest peak, not the highest uptake.
        decoy: The part with the highest uptake, but a late peak.
        texture: Standard deviation of log K1 and of log k2 within the lesion.
    """

    bulk: TissueKinetics
    hot_spot: TissueKinetics
    decoy: TissueKinetics
    texture: float = 0.10

    @property
    def log_k1_k2(self) -> tuple[float, float]:
        """Of the bulk: what the class can be told from."""
        return (math.log(self.bulk.k1_ml_cm3_min), math.log(self.bulk.k2_per_min))


def sample_tumor(question: Question, tracer: Tracer, lesion_type: str, rng: np.random.Generator) -> TumorKinetics:
    """Draws a lesion of a type."""
    log_k1_k2 = question.draw(tracer, lesion_type, rng, count=1)[0]
    return tumor_at(question, tracer, log_k1_k2, blood_factor=math.exp(_BLOOD_LOG_SD * rng.standard_normal()))


def tumor_at(
    question: Question, tracer: Tracer, log_k1_k2: NDArray[np.float64], *, blood_factor: float = 1.0
) -> TumorKinetics:
    """The lesion whose bulk has the given log K1 and log k2, (2,).

    k3, k4 and the blood volume are those of the type that is nearest in K1 and k2. So they tell no more about the
    true type than K1 and k2 do. Hot spot and decoy are to the bulk what they are in the table; in slow lesions, whose
    uptake follows K1 alone, the decoy's K1 is raised until it takes up most.
    """
    table = TISSUE_TABLES[tracer]
    nearest = question.types[int(question.log_likelihood(tracer, log_k1_k2[None]).argmax())]
    k1, k2 = np.exp(log_k1_k2)
    bulk = _scaled(question.table_tissue(tracer, nearest), k1, k2, blood_factor)
    focal = question.table_tissue(tracer, question.focal_type)
    hot_spot, decoy = (_focus(table[name], bulk, focal) for name in ("hot_spot", "max_uptake_decoy"))
    return TumorKinetics(bulk=bulk, hot_spot=hot_spot, decoy=_with_highest_uptake(decoy, (bulk, hot_spot), tracer))


def voxel_constants(
    tumor: TumorKinetics,
    hot_spot: FloatArray,
    decoy: FloatArray,
    fields: tuple[FloatArray, FloatArray],
) -> NDArray[np.float64]:
    """K1, k2, k3, k4 and blood fraction of voxels (5, n) that are partly hot spot and decoy.

    Args:
        tumor: The three tissues.
        hot_spot: Fraction of each voxel's living tissue, (n,).
        decoy: Likewise.
        fields: Variation of log K1 and of log k2, in standard deviations, (n,) each.
    """
    tissues = [_as_array(tissue) for tissue in (tumor.bulk, tumor.hot_spot, tumor.decoy)]
    weights = np.stack([1 - hot_spot - decoy, hot_spot, decoy]).astype(np.float64)
    # Geometric means keep K1/k2 of a mixture between those of its parts; a constant of 0 stays 0.
    logs = np.log(np.maximum(tissues, np.finfo(np.float64).tiny))
    constants = np.exp(logs.T @ weights)
    constants[np.min(tissues, axis=0) == 0] = 0.0
    constants[0] *= np.exp(tumor.texture * fields[0])
    constants[1] *= np.exp(tumor.texture * fields[1])
    return np.asarray(constants)


def texture_fields(rng: np.random.Generator, grid: Grid, inside: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Smooth variation of log K1 and log k2 that go together as they do between patients, (n,) each."""
    first, second = (smooth_field(rng, grid, scale_mm=_FIELD_SCALE_MM)[inside] for _ in range(2))
    mixed = PATIENT_CORRELATION * first + math.sqrt(1 - PATIENT_CORRELATION**2) * second
    return first, np.asarray(mixed, dtype=np.float32)


def _focus(focus: TissueKinetics, bulk: TissueKinetics, focal: TissueKinetics) -> TissueKinetics:
    """The table's focus, changed as the bulk is changed from the bulk that the focus belongs to."""
    return _scaled(
        focus,
        focus.k1_ml_cm3_min * bulk.k1_ml_cm3_min / focal.k1_ml_cm3_min,
        focus.k2_per_min * bulk.k2_per_min / focal.k2_per_min,
        bulk.vb / focal.vb,
    )


def _with_highest_uptake(decoy: TissueKinetics, others: Sequence[TissueKinetics], tracer: Tracer) -> TissueKinetics:
    start_s, stop_s = _STATIC_WINDOWS_S[tracer]
    window = FrameSchedule.from_durations([stop_s - start_s], start_s=start_s)
    input_function = population_input(tracer, end_s=stop_s)

    def uptake(tissue: TissueKinetics) -> float:
        return float(two_tissue_frames(tissue, input_function, window)[0])

    blood = uptake(replace(decoy, k1_ml_cm3_min=0.0))
    factor = (_DECOY_LEAD * max(map(uptake, others)) - blood) / (uptake(decoy) - blood)
    return replace(decoy, k1_ml_cm3_min=decoy.k1_ml_cm3_min * max(1.0, factor))


def _scaled(tissue: TissueKinetics, k1: float, k2: float, blood_factor: float) -> TissueKinetics:
    return replace(tissue, k1_ml_cm3_min=float(k1), k2_per_min=float(k2), vb=tissue.vb * blood_factor)


def _as_array(tissue: TissueKinetics) -> list[float]:
    return [tissue.k1_ml_cm3_min, tissue.k2_per_min, tissue.k3_per_min, tissue.k4_per_min, tissue.vb]
