"""Motion correction against a planted step of the head, in a simulated patient whose every frame is known."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from glioframe.core.modality import Tracer
from glioframe.imaging.registration import correct_motion
from glioframe.imaging.series import Series
from glioframe.pet.semi_quantitative import late_slope_per_h
from glioframe.pet.static import window_mean
from glioframe.pet.time_to_peak import spline_time_to_peak_s
from glioframe.simulation.anatomy import rotation
from glioframe.simulation.dynamic_case import simulate_dynamic_case
from glioframe.simulation.dynamic_pet import Motion
from glioframe.simulation.dynamic_roster import draw_dynamic_roster
from glioframe.simulation.grid import Grid
from glioframe.simulation.settings import CohortSettings
from glioframe.simulation.template import load_template

SPACING_MM, FWHM_MM = 4.0, 4.0
GRID = Grid(spacing_mm=SPACING_MM)
SHIFT_MM, TURN_DEG = (1.5, -2.0, 1.5), (1.5, -1.0, 1.0)  # 2.9 mm, 2.1 degrees
STEP_S, SETTLED_S, FIRST_S = 1320.0, 600.0, 120.0
WINDOW_S = (600.0, 1800.0)


@cache
def simulated(*, moves: bool):
    """The first patient of a cohort, 30 frames of one minute, with or without a step of the head at 22 min."""
    settings = CohortSettings(num_cases=4, num_external=0, spacing_mm=SPACING_MM, kind="dynamic", seed=3)
    patient = draw_dynamic_roster(settings)[0]
    step = int(np.searchsorted(patient.schedule.start_s, STEP_S))
    motion = (
        Motion(first_frame=step, shift_mm=SHIFT_MM, turn_deg=TURN_DEG)
        if moves
        else Motion(first_frame=patient.schedule.num_frames)
    )
    case = simulate_dynamic_case(replace(patient, motion=motion), load_template(blur_mm=SPACING_MM), GRID, Tracer.FDOPA)
    return case, patient.schedule, step


@cache
def corrected():
    case, schedule, _ = simulated(moves=True)
    static = window_mean(case.pet_suv, schedule, start_s=WINDOW_S[0], stop_s=WINDOW_S[1]).value
    first = int(np.searchsorted(schedule.start_s, FIRST_S))
    return correct_motion(Series(case.pet_suv, GRID.geometry), reference=static, first_frame=first)


def true_move() -> np.ndarray:
    """The planted step as a (4, 4) matrix on RAS+ mm, from its definition: where a point of the head goes."""
    inverse = rotation(np.radians(TURN_DEG)).astype(float)[::-1, ::-1]
    center = np.array([axis[[0, -1]].mean() for axis in GRID.axes_mm])[::-1]
    matrix = np.eye(4)
    matrix[:3, :3] = inverse.T
    matrix[:3, 3] = center + np.array(SHIFT_MM)[::-1] - inverse.T @ center
    return matrix


def errors(found: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Mean distance in mm of points 50 mm from the middle, and the angle in degrees, between two moves."""
    directions = np.random.default_rng(0).standard_normal((200, 3))
    points = np.c_[50 * directions / np.linalg.norm(directions, axis=1, keepdims=True), np.ones(200)]
    distance = np.linalg.norm((points @ (found - truth).T)[:, :3], axis=1).mean()
    cosine = (np.trace((np.linalg.inv(truth) @ found)[:3, :3]) - 1) / 2
    return float(distance), float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def test_a_planted_step_is_found_to_a_fraction_of_a_voxel():
    _, schedule, step = simulated(moves=True)
    _, motion = corrected()
    matrices = [np.eye(4) if each.applied is None else each.applied.matrix for each in motion]
    # What counts is how the frames lie to each other, not where all of them lie.
    to_last = [np.linalg.inv(matrices[-1]) @ matrix for matrix in matrices]
    truth = [true_move() if index < step else np.eye(4) for index in range(schedule.num_frames)]
    found = np.array([errors(*pair) for pair in zip(to_last, truth, strict=True)])
    settled = np.array(schedule.start_s) >= SETTLED_S
    assert found[settled, 0].max() <= SPACING_MM / 5
    assert found[settled, 1].max() <= 1.0
    assert found[:, 0].max() <= SPACING_MM / 2
    assert errors(np.eye(4), true_move())[0] > 2.5


def test_similarity_to_the_static_image_rises_where_a_frame_was_moved():
    _, _, step = simulated(moves=True)
    _, motion = corrected()
    moved = [each.applied for each in motion[step:] if each.applied is not None]
    assert moved
    assert all(1.0 <= each.nmi_before < each.nmi_after <= 2.0 for each in moved)
    assert not any(each.has_failed for each in motion)


@pytest.mark.parametrize(("measure", "least_gain"), [("late slope", 0.5), ("time to peak", 0.1)])
def test_maps_of_the_lesion_come_closer_to_those_of_a_perfect_scan(measure, least_gain):
    still, schedule, _ = simulated(moves=False)
    moved, _, _ = simulated(moves=True)
    frames, _ = corrected()
    lesion = still.lesion.mask
    sd_vox = FWHM_MM / 2.3548 / SPACING_MM
    perfect = np.stack([ndimage.gaussian_filter(frame, sd_vox) for frame in still.physiology.series(schedule)])

    def read(series):
        if measure == "late slope":
            return late_slope_per_h(series, schedule, window_s=WINDOW_S).value[lesion]
        return spline_time_to_peak_s(series[:, lesion], schedule).value / 60.0

    truth = read(perfect)
    before, after = (np.abs(read(series) - truth).mean() for series in (moved.pet_suv, frames))
    assert after < (1 - least_gain) * before
