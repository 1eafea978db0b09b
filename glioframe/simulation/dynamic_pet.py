"""What a scanner makes of a patient in time: a head that moves, blur, noise of counting, activity per volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from glioframe.artifacts.pet_sidecar import HALF_LIFE_S
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.input_function import population_input
from glioframe.pet.noise import noise_level, noise_sigma
from glioframe.pet.tissue_tables import TISSUE_TABLES
from glioframe.pet.two_tissue import two_tissue_frames
from glioframe.simulation.anatomy import rotation
from glioframe.simulation.fields import smooth_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.core.modality import Tracer
    from glioframe.simulation.grid import BoolArray, FloatArray, Grid
    from glioframe.simulation.physiology import Physiology
    from glioframe.simulation.sites import DynamicScanner

_SD_PER_FWHM = 1 / 2.3548
# A kernel of about 4 mm full width at half maximum.
_NOISE_SCALE_MM = 3.0
# Scatter reaches every voxel: an empty one is not free of noise.
_EMPTY_VOXEL_PART = 0.05
_NOISE_FRAME = FrameSchedule.from_durations([60.0], start_s=29 * 60.0)
_MOST_SHIFT_MM = 3.0
_MOST_TURN_DEG = 2.0
_HALF = 0.5  # of a voxel
# Heads move in the middle third of the scan.
_STEP_PART = (1 / 3, 2 / 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Motion:
    """One step of the head, all at once between two frames.

    Attributes:
        first_frame: The first frame after the step; as many as there are frames for a head that never moves.
        shift_mm: Along (z, y, x).
        turn_deg: About (z, y, x).
    """

    first_frame: int
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def apply(self, frame: FloatArray, grid: Grid) -> FloatArray:
        """The frame (z, y, x) of the head after the step."""
        matrix = rotation(np.radians(self.turn_deg)).astype(np.float64)
        center = (np.array(frame.shape) - 1) / 2
        shift = np.array(self.shift_mm) / grid.spacing_mm
        return np.asarray(ndimage.affine_transform(frame, matrix, center - matrix @ (center + shift), order=1))


def sample_motion(schedule: FrameSchedule, rate: float, rng: np.random.Generator) -> Motion:
    """Draws whether, when and how far a patient moves."""
    moves = rng.uniform() < rate
    when_s = rng.uniform(*_STEP_PART) * schedule.end_s[-1]
    shift = _vector(rng, _MOST_SHIFT_MM * rng.uniform())
    turn = _vector(rng, _MOST_TURN_DEG * rng.uniform())
    if not moves:
        return Motion(first_frame=schedule.num_frames)
    return Motion(first_frame=int(np.searchsorted(schedule.start_s, when_s)), shift_mm=shift, turn_deg=turn)


def scan_dynamic_pet(
    physiology: Physiology,
    schedule: FrameSchedule,
    scanner: DynamicScanner,
    motion: Motion,
    *,
    grid: Grid,
    brain: BoolArray,
    rng: np.random.Generator,
) -> FloatArray:
    """The decay-corrected image of each frame, SUV (t, z, y, x), cut to where brain and sinus are in it."""
    at_start = brain | (physiology.blood > _HALF)
    after_step = motion.apply(at_start.astype(np.float32), grid) > _HALF
    series = np.empty((schedule.num_frames, *grid.shape_zyx), np.float32)
    level = noise_level_of(scanner, physiology.tracer)
    unit_sigma = noise_sigma(np.ones(schedule.num_frames), schedule, half_life_s=HALF_LIFE_S["F18"], level=level)
    for index, true_frame in enumerate(physiology.frames(schedule)):
        has_moved = index >= motion.first_frame
        frame = motion.apply(true_frame, grid) if has_moved else true_frame
        frame = ndimage.gaussian_filter(frame, scanner.blur_mm * _SD_PER_FWHM / grid.spacing_mm)
        activity = np.maximum(frame, _EMPTY_VOXEL_PART * frame[brain].mean())
        frame += np.float32(unit_sigma[index]) * np.sqrt(activity) * smooth_field(rng, grid, scale_mm=_NOISE_SCALE_MM)
        series[index] = np.where(after_step if has_moved else at_start, np.maximum(frame, 0), 0)
    return series


def noise_level_of(scanner: DynamicScanner, tracer: Tracer) -> float:
    """The level ``a`` of :func:`glioframe.pet.noise.noise_sigma` that gives the scanner's stated noise."""
    reference = TISSUE_TABLES[tracer]["reference"]
    curve = two_tissue_frames(reference, population_input(tracer, end_s=_NOISE_FRAME.end_s[-1]), _NOISE_FRAME)
    return noise_level(curve, _NOISE_FRAME, half_life_s=HALF_LIFE_S["F18"], last_frame_cv=scanner.noise)


def _vector(rng: np.random.Generator, length: float) -> tuple[float, float, float]:
    """A vector of random direction."""
    direction: NDArray[np.float64] = rng.standard_normal(3)
    z, y, x = (float(part) for part in length * direction / np.linalg.norm(direction))
    return (z, y, x)
