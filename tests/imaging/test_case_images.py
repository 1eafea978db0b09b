"""The images of a case on their common grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from builders import CHANNELS, make_affine, make_head, save_nifti
from glioframe.artifacts.dataset import DatasetDescription
from glioframe.artifacts.raw_dataset import CaseFiles
from glioframe.core.errors import ImageError
from glioframe.core.geometry import Geometry
from glioframe.imaging.case_images import crop, read_case, voxel_index
from glioframe.imaging.volume import Volume, affine_from_array

SHARED = DatasetDescription(name="Dataset001_Test", channels=CHANNELS)
PER_CHANNEL = replace(SHARED, grid="per_channel")


def make_oblique_geometry(shape=(20, 30, 25)):
    rotation = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag([0.9, 1.1, 5.5])
    affine[:3, 3] = (3.0, -4.0, 5.0)
    return Geometry(shape_vox=shape, affine=affine_from_array(affine))


def test_cropping_leaves_every_voxel_at_its_place_in_the_world():
    geometry = make_oblique_geometry()
    volume = Volume(np.arange(20 * 30 * 25, dtype=np.float32).reshape(20, 30, 25), geometry)
    cropped = crop(volume, ((3, 10), (4, 20), (5, 25)))
    assert cropped.array.shape == (7, 16, 20)
    assert cropped.array[2, 3, 4] == volume.array[5, 7, 9]
    np.testing.assert_allclose(cropped.geometry.world_mm((2, 3, 4)), geometry.world_mm((5, 7, 9)), atol=1e-9)


def test_the_voxel_of_a_place_and_the_place_of_a_voxel_are_inverse():
    geometry = make_oblique_geometry()
    np.testing.assert_allclose(voxel_index(geometry, geometry.world_mm((1.5, 7.25, 9.0))), (1.5, 7.25, 9.0), atol=1e-9)


def make_files(folder, *, label_spacing=(4.0, 4.0, 4.0), pet_shift_mm=0.0):
    volumes, label = make_head(np.random.default_rng(0))
    pet_affine = make_affine()
    pet_affine[1, 3] += pet_shift_mm
    save_nifti(volumes[0], folder / "case_0000.nii.gz")
    save_nifti(volumes[1], folder / "case_0001.nii.gz", pet_affine)
    factors = [int(4.0 / spacing) for spacing in label_spacing]
    for axis, factor in zip((2, 1, 0), factors, strict=True):
        label = label.repeat(factor, axis)
    affine = make_affine(label_spacing)
    affine[:3, 3] += (np.array(label_spacing) - 4.0) / 2  # the same outer edges
    save_nifti(label, folder / "case.nii.gz", affine)
    paths = (folder / "case_0000.nii.gz", folder / "case_0001.nii.gz")
    return CaseFiles(case_id="case", channels=paths, label=folder / "case.nii.gz")


def test_a_shift_of_less_than_a_tenth_of_a_voxel_is_one_grid(tmp_path):
    images = read_case(make_files(tmp_path, pet_shift_mm=0.3), SHARED)
    assert all(channel is not None for channel in images.channels)


def test_a_larger_shift_is_refused_or_kept_as_declared(tmp_path):
    files = make_files(tmp_path, pet_shift_mm=0.5)
    with pytest.raises(ImageError, match=r"case_0001\.nii\.gz"):
        read_case(files, SHARED)
    pet = read_case(files, PER_CHANNEL).channels[1]
    assert pet is not None
    assert pet.geometry.affine[1][3] == pytest.approx(-99.5)


def test_a_label_on_a_finer_grid_is_brought_to_the_first_channels(tmp_path):
    fine = make_files(tmp_path / "fine", label_spacing=(2.0, 2.0, 2.0))
    coarse = make_files(tmp_path / "coarse")
    with pytest.raises(ImageError, match=r"case\.nii\.gz"):
        read_case(fine, SHARED)
    images, expected = read_case(fine, PER_CHANNEL), read_case(coarse, PER_CHANNEL)
    assert images.label is not None
    assert expected.label is not None
    np.testing.assert_array_equal(images.label.array, expected.label.array)
    np.testing.assert_allclose(images.lesion_center_mm, expected.lesion_center_mm, atol=1e-3)


def test_the_lesion_center_is_its_center_of_mass_in_the_world(tmp_path):
    files = make_files(tmp_path)
    label = np.zeros((32, 44, 36), dtype=np.uint8)
    label[10, 20, 30] = label[12, 20, 30] = 1
    assert files.label is not None
    save_nifti(label, files.label)
    images = read_case(files, SHARED)
    np.testing.assert_allclose(images.lesion_center_mm, (-80 + 4 * 30, -100 + 4 * 20, -60 + 4 * 11), atol=1e-5)
    save_nifti(np.zeros_like(label), files.label)
    assert read_case(files, SHARED).lesion_center_mm is None
