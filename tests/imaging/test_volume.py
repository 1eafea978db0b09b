"""Reading and writing NIfTI; nibabel is the independent implementation."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from glioframe.core.errors import ImageError
from glioframe.core.geometry import Geometry
from glioframe.imaging.volume import (
    Volume,
    affine_from_array,
    read_geometry,
    read_label,
    read_volume,
    write_volume,
)

ORIENTATIONS = [
    "".join(axes) for order in itertools.permutations(("RL", "AP", "SI")) for axes in itertools.product(*order)
]


def make_image(path, array_xyz=None, affine=None, *, dtype=np.int16, image_type=nibabel.Nifti1Image):
    if array_xyz is None:
        array_xyz = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    if affine is None:
        affine = np.diag([1.0, 2.0, 3.0, 1.0])
        affine[:3, 3] = (-7.0, 8.0, 9.0)
    image = image_type(array_xyz.astype(dtype), affine)
    nibabel.save(image, path)
    return image


def reoriented(image, axes):
    start = nibabel.orientations.io_orientation(image.affine)
    end = nibabel.orientations.axcodes2ornt(tuple(axes))
    return image.as_reoriented(nibabel.orientations.ornt_transform(start, end))


@pytest.mark.parametrize("axes", ORIENTATIONS)
def test_every_stored_orientation_gives_the_same_volume(tmp_path, axes):
    image = make_image(tmp_path / "ras.nii.gz")
    nibabel.save(reoriented(image, axes), tmp_path / "other.nii.gz")
    ras, other = read_volume(tmp_path / "ras.nii.gz"), read_volume(tmp_path / "other.nii.gz")
    np.testing.assert_array_equal(other.array, ras.array)
    np.testing.assert_allclose(other.geometry.affine, ras.geometry.affine, atol=1e-6)
    np.testing.assert_array_equal(ras.array, image.get_fdata().T)
    assert other.geometry.spacing_mm == (3.0, 2.0, 1.0)


def test_an_oblique_image_keeps_every_voxel_at_its_place_in_the_world(tmp_path):
    affine = nibabel.affines.from_matvec(
        nibabel.eulerangles.euler2mat(0.3, 2.6, -1.2) @ np.diag([0.9, 1.1, 5.5]), (3.0, -4.0, 5.0)
    )
    image = make_image(tmp_path / "oblique.nii.gz", affine=affine)
    volume = read_volume(tmp_path / "oblique.nii.gz")
    stored = {
        tuple(np.round(affine[:3, :3] @ index + affine[:3, 3], 3)): image.get_fdata()[index]
        for index in np.ndindex(*image.shape)
    }
    for index in np.ndindex(*volume.array.shape):
        place = tuple(np.round(volume.geometry.world_mm(index), 3))
        assert stored[place] == volume.array[index]
    assert nibabel.aff2axcodes(np.array(volume.geometry.affine)) == ("R", "A", "S")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64, ">i2", ">f4"])
@pytest.mark.parametrize("image_type", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_values_equal_nibabels_for_every_type(tmp_path, dtype, image_type):
    make_image(tmp_path / "image.nii", dtype=dtype, image_type=image_type)
    volume = read_volume(tmp_path / "image.nii")
    assert volume.array.dtype == np.float32
    assert volume.array.flags.c_contiguous
    np.testing.assert_array_equal(volume.array, nibabel.load(tmp_path / "image.nii").get_fdata().T)


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_slope_and_intercept_are_applied(tmp_path, dtype):
    image = make_image(tmp_path / "image.nii.gz", dtype=dtype)
    content = bytearray(image.to_bytes())
    content[112:120] = np.array([0.5, -10.0], dtype="<f4").tobytes()  # scl_slope, scl_inter
    (tmp_path / "scaled.nii").write_bytes(content)
    np.testing.assert_allclose(read_volume(tmp_path / "scaled.nii").array, image.get_fdata().T * 0.5 - 10.0)


def test_the_header_alone_gives_the_geometry_of_the_volume(tmp_path):
    image = make_image(tmp_path / "ras.nii.gz", np.random.default_rng(0).integers(0, 999, (60, 50, 40)))
    nibabel.save(reoriented(image, "PIL"), tmp_path / "pil.nii.gz")
    assert read_geometry(tmp_path / "pil.nii.gz") == read_volume(tmp_path / "pil.nii.gz").geometry


def test_a_trailing_axis_of_one_frame_is_dropped(tmp_path):
    make_image(tmp_path / "image.nii.gz", np.ones((4, 5, 6, 1)))
    assert read_volume(tmp_path / "image.nii.gz").array.shape == (6, 5, 4)


def test_a_series_is_refused(tmp_path):
    make_image(tmp_path / "image.nii.gz", np.ones((4, 5, 6, 2)))
    with pytest.raises(ImageError, match="three-dimensional"):
        read_volume(tmp_path / "image.nii.gz")


@pytest.mark.parametrize("kept", [0, 1, 2, 100, 340, 400, -5])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_file_cut_off_anywhere_is_refused(tmp_path, kept, ending):
    path = tmp_path / f"image{ending}"
    make_image(path, np.random.default_rng(0).integers(0, 999, (10, 10, 10)))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ImageError, match=r"image\.nii"):
        read_volume(path)


def test_damaged_bytes_fail_the_checksum(tmp_path):
    path = tmp_path / "image.nii.gz"
    make_image(path, np.random.default_rng(0).integers(0, 999, (30, 30, 30)))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ImageError, match="damaged"):
        read_volume(path)


@pytest.mark.parametrize("content", [b"DICM" * 100, b"\x1f\x8b" + b"\0" * 50, b"{}"])
def test_another_kind_of_file_is_refused(tmp_path, content):
    path = tmp_path / "image.nii.gz"
    path.write_bytes(content)
    for read in (read_volume, read_label, read_geometry):
        with pytest.raises(ImageError):
            read(path)


def test_an_absent_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ImageError, match="no file"):
        read_volume(tmp_path / "absent.nii.gz")
    with pytest.raises(ImageError, match="a folder"):
        read_volume(tmp_path)


def sform_bytes(rows):
    return np.array(rows, dtype="<f4").tobytes()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], "positive length"),
        ([[np.nan, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], "finite"),
        ([[1, 0.1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], "sheared"),
        ([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0]], "sheared"),
    ],
)
def test_an_unusable_affine_is_refused(tmp_path, rows, message):
    content = bytearray(make_image(tmp_path / "image.nii").to_bytes())
    content[280:328] = sform_bytes(rows)
    (tmp_path / "image.nii").write_bytes(content)
    for read in (read_volume, read_geometry):
        with pytest.raises(ImageError, match=message):
            read(tmp_path / "image.nii")


def test_an_image_without_orientation_is_refused_because_left_and_right_are_unknown(tmp_path):
    content = bytearray(make_image(tmp_path / "image.nii").to_bytes())
    content[252:256] = b"\0\0\0\0"  # qform_code and sform_code
    (tmp_path / "image.nii").write_bytes(content)
    with pytest.raises(ImageError, match="left and right"):
        read_geometry(tmp_path / "image.nii")


def test_complex_voxels_are_refused(tmp_path):
    make_image(tmp_path / "image.nii", dtype=np.complex64)
    with pytest.raises(ImageError, match="real number"):
        read_volume(tmp_path / "image.nii")


def test_a_label_keeps_whole_numbers_whatever_their_type(tmp_path):
    labels = np.random.default_rng(0).integers(0, 5, (4, 5, 6))
    for dtype in (np.uint8, np.float32, np.float64):
        make_image(tmp_path / "label.nii.gz", labels, dtype=dtype)
        label = read_label(tmp_path / "label.nii.gz")
        assert label.array.dtype == np.int16
        np.testing.assert_array_equal(label.array, labels.T)


@pytest.mark.parametrize("value", [0.5, 40000.0, np.nan])
def test_a_label_that_is_no_small_whole_number_is_refused(tmp_path, value):
    labels = np.zeros((4, 5, 6))
    labels[1, 2, 3] = value
    make_image(tmp_path / "label.nii.gz", labels, dtype=np.float32)
    with pytest.raises(ImageError, match="whole numbers"):
        read_label(tmp_path / "label.nii.gz")


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_what_is_written_reads_back_equal_here_and_in_nibabel(tmp_path, ending):
    rotation = nibabel.eulerangles.euler2mat(0.1, 0.2, -0.1)
    affine = nibabel.affines.from_matvec(rotation @ np.diag([0.9, 1.1, 5.5]), (3.0, -4.0, 5.0))
    array = np.random.default_rng(0).standard_normal((6, 5, 4)).astype(np.float32)
    volume = Volume(array, Geometry(shape_vox=(6, 5, 4), affine=affine_from_array(affine)))
    path = tmp_path / f"image{ending}"
    write_volume(volume, path)
    back, nibabels = read_volume(path), nibabel.load(path)
    np.testing.assert_array_equal(back.array, array)
    np.testing.assert_allclose(back.geometry.affine, affine, atol=1e-5)
    np.testing.assert_array_equal(nibabels.get_fdata().T, array)
    np.testing.assert_allclose(nibabels.get_qform(), nibabels.get_sform(), atol=1e-5)


def test_writing_twice_gives_equal_bytes_and_leaves_nothing_else(tmp_path):
    make_image(tmp_path / "image.nii.gz")
    volume = read_volume(tmp_path / "image.nii.gz")
    write_volume(volume, tmp_path / "a" / "x.nii.gz")
    write_volume(volume, tmp_path / "b" / "x.nii.gz")
    assert (tmp_path / "a" / "x.nii.gz").read_bytes() == (tmp_path / "b" / "x.nii.gz").read_bytes()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x.nii.gz"]


def test_masks_are_written_as_whole_numbers(tmp_path):
    mask = np.zeros((3, 4, 5), dtype=bool)
    mask[1, 2, 3] = True
    write_volume(
        Volume(mask, Geometry(shape_vox=(3, 4, 5), affine=affine_from_array(np.eye(4)))), tmp_path / "m.nii.gz"
    )
    np.testing.assert_array_equal(read_label(tmp_path / "m.nii.gz").array, mask)


@pytest.mark.skipif("GLIOFRAME_REAL_DATA" not in os.environ, reason="GLIOFRAME_REAL_DATA is not set")
def test_real_images_read_as_in_nibabel():
    root = Path(os.environ["GLIOFRAME_REAL_DATA"])
    paths = sorted([*root.glob("native_mri/*/*.nii.gz"), *root.glob("pet_maps/*.nii")])
    assert paths
    for path in paths:
        expected = nibabel.as_closest_canonical(nibabel.load(path))
        volume = read_volume(path)
        np.testing.assert_allclose(volume.array, np.squeeze(expected.get_fdata()).T, rtol=1e-6)
        np.testing.assert_allclose(volume.geometry.affine, expected.affine, atol=1e-4)
        assert read_geometry(path) == volume.geometry
