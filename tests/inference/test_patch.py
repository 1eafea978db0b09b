"""The patch lies where the plan says."""

from pathlib import Path

import numpy as np
import pytest

from glioframe.artifacts.case import PreprocessedCase
from glioframe.artifacts.plan import FieldOfView
from glioframe.core.errors import PredictionError
from glioframe.imaging.array_store import load_array
from glioframe.inference.patch import load_case_patch, patch_start_vox
from training_builders import SHAPE, make_case

LESION = FieldOfView(kind="lesion_centered", extent_mm=(16.0, 16.0, 16.0))
BRAIN = FieldOfView(kind="whole_brain", extent_mm=(16.0, 16.0, 16.0))


@pytest.fixture
def case(tmp_path) -> PreprocessedCase:
    return make_case(tmp_path, "case000", uptake=3.0, seed=0)


def test_a_whole_brain_patch_has_equal_margins(case):
    patch = load_case_patch(case, BRAIN, (8, 8, 8))
    whole = load_array(case.image_path)
    assert np.array_equal(patch, whole[:, 2:10, 3:11, 2:10])


def test_a_patch_larger_than_the_brain_is_filled_up_with_zeros(case):
    patch = load_case_patch(case, BRAIN, (16, 16, 16))
    whole = load_array(case.image_path)
    assert np.array_equal(patch[:, 2:14, 1:15, 2:14], whole)
    assert not patch[:, :2].any()
    assert not patch[:, :, -1:].any()


def test_a_lesion_centered_patch_has_the_lesion_in_its_middle(case):
    suv = load_case_patch(case, LESION, (8, 8, 8))[1]
    inside = np.argwhere(suv > 2)
    assert np.abs(inside.mean(0) - 3.5).max() <= 0.6


def test_a_margin_surrounds_the_same_patch(case):
    patch = load_case_patch(case, LESION, (6, 6, 6))
    wider = load_case_patch(case, LESION, (6, 6, 6), margin_vox=(1, 2, 3))
    assert wider.shape == (2, 8, 10, 12)
    assert np.array_equal(wider[:, 1:-1, 2:-2, 3:-3], patch)


def test_the_patch_of_one_voxel_is_its_center():
    assert patch_start_vox((3.0, 4.2, 4.8), (1, 1, 1)) == (3, 4, 5)


def test_a_case_without_lesion_is_refused_with_the_remedy(tmp_path: Path):
    case = make_case(tmp_path, "case000", uptake=3.0, seed=0, lesion=False)
    with pytest.raises(PredictionError, match=r"case000: expected a lesion label.*Add a lesion label"):
        load_case_patch(case, LESION, (8, 8, 8))
    assert load_case_patch(case, BRAIN, SHAPE).shape == (2, *SHAPE)
