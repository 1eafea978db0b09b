"""Brain masks of simulated heads whose brain is known."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from glioframe.core.geometry import Geometry
from glioframe.imaging.brain import bounding_box, brain_box, brain_mask, is_skull_stripped
from glioframe.imaging.volume import Volume, affine_from_array, read_volume


def make_volume(array, spacing_mm=(2.0, 2.0, 2.0)):
    affine = np.diag([*spacing_mm[::-1], 1.0])
    return Volume(
        np.asarray(array, dtype=np.float32), Geometry(shape_vox=array.shape, affine=affine_from_array(affine))
    )


def radius(shape=(80, 100, 90)):
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    return np.sqrt((grid**2).sum(0))


def dice(first, second):
    return 2 * (first & second).sum() / (first.sum() + second.sum())


def test_a_stripped_brain_is_found_exactly_with_its_holes():
    distance = radius()
    brain = distance < 0.7
    ventricle = distance < 0.15
    noise = np.random.default_rng(0).uniform(0.5, 1.5, brain.shape)
    volume = make_volume(noise * (brain & ~ventricle))
    assert is_skull_stripped([volume])
    np.testing.assert_array_equal(brain_mask([volume]), brain)


def test_the_mask_of_several_stripped_channels_is_their_union():
    distance = radius()
    left, right = (distance < 0.7) & (distance > -1), np.roll(distance < 0.6, 8, axis=2)
    mask = brain_mask([make_volume(left * 1.0), make_volume(right * 3.0)])
    np.testing.assert_array_equal(mask, left | right)


def test_a_head_in_noisy_air_is_separated_from_it():
    distance = radius()
    rng = np.random.default_rng(0)
    head = distance < 0.75
    image = np.abs(
        100 * head * (1 - 0.7 * ((distance > 0.6) & (distance < 0.66))) + 8 * rng.standard_normal(head.shape)
    )
    volume = make_volume(image)
    assert not is_skull_stripped([volume])
    mask = brain_mask([volume])
    assert dice(mask, head) > 0.9
    assert mask[distance < 0.55].all()


def test_a_pet_image_in_its_cylinder_gives_the_brain():
    distance = radius()
    rng = np.random.default_rng(1)
    _, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in distance.shape), indexing="ij")
    cylinder = (y**2 + x**2) < 1.0
    uptake = gaussian_filter((distance < 0.7) + 2.0 * (distance < 0.15), 2) + 0.05
    image = cylinder * np.clip(uptake + 0.05 * rng.standard_normal(distance.shape), 0.001, None)
    volume = make_volume(image)
    assert not is_skull_stripped([volume])
    assert dice(brain_mask([volume]), distance < 0.7) > 0.9


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_an_image_without_contrast_counts_as_brain_all_over(value):
    assert brain_mask([make_volume(np.full((20, 20, 20), value))]).all()


def test_a_box_holds_brain_and_lesion_with_a_margin_in_mm_and_stays_inside():
    brain = np.zeros((30, 40, 50), dtype=bool)
    brain[10:20, 0:30, 20:30] = True
    lesion = np.zeros_like(brain)
    lesion[5:7, 10, 45:49] = True
    assert bounding_box(brain) == ((10, 20), (0, 30), (20, 30))
    assert brain_box(brain, None, (4.0, 2.0, 1.0), margin_mm=4.0) == ((9, 21), (0, 32), (16, 34))
    assert brain_box(brain, lesion, (4.0, 2.0, 1.0), margin_mm=4.0) == ((4, 21), (0, 32), (16, 50))


def test_an_empty_mask_has_no_box():
    assert bounding_box(np.zeros((3, 4, 5), dtype=bool)) is None


@pytest.mark.skipif("GLIOFRAME_REAL_DATA" not in os.environ, reason="GLIOFRAME_REAL_DATA is not set")
def test_real_stripped_and_native_heads_have_the_volume_of_heads():
    root = Path(os.environ["GLIOFRAME_REAL_DATA"])
    stripped = [read_volume(path) for path in sorted(root.glob("brats18/Brats18_TCIA01_201_1/*_t*.nii.gz"))]
    start = time.process_time()
    mask = brain_mask(stripped)
    assert time.process_time() - start < 0.5
    assert 1000 < mask.sum() / 1000 < 2000  # mL at 1 mm
    for path in root.glob("native_mri/*/*.nii.gz"):
        volume = read_volume(path)
        assert not is_skull_stripped([volume])
        assert 1500 < brain_mask([volume]).sum() * np.prod(volume.geometry.spacing_mm) / 1000 < 3500
