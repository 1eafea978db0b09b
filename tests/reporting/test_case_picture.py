"""Slices of a case: which way round they lie, in which window, and where the outline is."""

import io

import matplotlib.image
import numpy as np
import pytest
from report_example import make_fingerprint, make_plan, save_preprocessed_case

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.reporting.case_picture import PANEL_PX, draw_case, plane_slices
from glioframe.reporting.gallery import channel_views


def picture_of(folder, **settings):
    save_preprocessed_case(folder, "case", seed=0, **settings)
    views = channel_views(make_plan(), make_fingerprint())
    jpeg = draw_case(load_preprocessed_case(folder, "case"), views)
    return matplotlib.image.imread(io.BytesIO(jpeg), format="jpg")


@pytest.mark.parametrize(
    ("voxel", "plane", "corner"),
    [
        # (z, y, x) in RAS+: z up, y to the front, x to the patient's right.
        ("right front", 0, "upper left"),
        ("left back", 0, "lower right"),
        ("right top", 1, "upper left"),
        ("left bottom", 1, "lower right"),
        ("front top", 2, "upper left"),
        ("back bottom", 2, "lower right"),
    ],
)
def test_slices_lie_in_radiological_convention(voxel, plane, corner):
    volume = np.zeros((5, 7, 9))
    at = [2, 3, 4]
    places = {"top": (0, 4), "bottom": (0, 0), "front": (1, 6), "back": (1, 0), "right": (2, 8), "left": (2, 0)}
    for word in voxel.split():
        axis, index = places[word]
        at[axis] = index
    volume[tuple(at)] = 1
    through = [2, 3, 4]
    through[plane] = at[plane]
    shown = plane_slices(volume, through)[plane]
    expected = (0, 0) if corner == "upper left" else (shown.shape[0] - 1, shown.shape[1] - 1)
    assert np.argwhere(shown).tolist() == [list(expected)]


def test_a_picture_has_one_row_per_channel_and_three_planes(tmp_path):
    height, width, colors = picture_of(tmp_path).shape
    assert colors == 3
    assert 2 * PANEL_PX <= height <= 2.1 * PANEL_PX
    assert 3 * PANEL_PX <= width <= 3.1 * PANEL_PX


def test_mri_is_gray_but_for_the_outline_and_pet_is_in_color(tmp_path):
    picture = picture_of(tmp_path).astype(int)
    saturation = picture.max(axis=2) - picture.min(axis=2)
    assert (saturation[:PANEL_PX] > 60).mean() < 0.05
    assert (saturation[PANEL_PX:] > 60).mean() > 0.2


def test_an_absent_channel_stays_black(tmp_path):
    picture = picture_of(tmp_path, missing=0)
    # But for the labels at the edges.
    assert picture[30:80, 30:150].max() < 30


def test_pet_is_shown_in_its_unit_with_one_window_for_all_cases():
    mri, pet = channel_views(make_plan(), make_fingerprint())
    assert (mri.label, mri.is_pet) == ("t1c", False)
    assert pet.label == "fdopa SUV 0 to 3.3"
    assert (pet.scale, pet.high) == (5.0, 3.3)
