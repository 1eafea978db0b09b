"""Four-dimensional images: frames first, each as a volume would be read."""

import nibabel
import numpy as np
import pytest

from builders import make_affine
from glioframe.core.errors import ImageError
from glioframe.core.geometry import Geometry
from glioframe.imaging.series import Series, read_series, write_series
from glioframe.imaging.volume import affine_from_array, read_volume

SHAPE = (5, 4, 6, 7)  # (t, z, y, x)


def make_series() -> Series:
    array = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    return Series(array, Geometry(shape_vox=SHAPE[1:], affine=affine_from_array(make_affine())))


def test_a_series_survives_writing_and_equal_series_give_equal_bytes(tmp_path):
    series = make_series()
    for name in ("a.nii.gz", "b.nii.gz"):
        write_series(series, tmp_path / name)
    back = read_series(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(back.array, series.array)
    assert back.geometry == series.geometry
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_each_frame_is_what_the_same_frame_gives_as_a_volume(tmp_path):
    """Stored as int16 with a slope and flipped axes: scaling and reorientation are those of a volume."""
    stored = np.random.default_rng(1).integers(0, 1000, size=SHAPE[::-1], dtype=np.int16)
    affine = make_affine() @ np.diag([-1.0, -1.0, 1.0, 1.0])
    for name, values in {"series": stored, "frame": stored[..., 3]}.items():
        image = nibabel.Nifti1Image(values, affine)
        image.header.set_slope_inter(0.5, 2.0)
        nibabel.save(image, tmp_path / f"{name}.nii.gz")
    frame = read_volume(tmp_path / "frame.nii.gz")
    series = read_series(tmp_path / "series.nii.gz")
    np.testing.assert_array_equal(series.array[3], frame.array)
    assert series.geometry == frame.geometry


def test_a_volume_is_a_series_of_one_frame(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.ones((7, 6, 4), np.float32), make_affine()), tmp_path / "v.nii.gz")
    assert read_series(tmp_path / "v.nii.gz").array.shape == (1, 4, 6, 7)


@pytest.mark.parametrize("shape", [(7, 6), (7, 6, 4, 2, 3)])
def test_an_image_of_other_dimensions_is_refused(tmp_path, shape):
    nibabel.save(nibabel.Nifti1Image(np.ones(shape, np.float32), make_affine()), tmp_path / "v.nii.gz")
    with pytest.raises(ImageError, match="expected a four-dimensional image"):
        read_series(tmp_path / "v.nii.gz")


def test_a_series_cut_off_is_refused(tmp_path):
    write_series(make_series(), tmp_path / "v.nii")
    content = (tmp_path / "v.nii").read_bytes()
    (tmp_path / "v.nii").write_bytes(content[:-100])
    with pytest.raises(ImageError, match="complete NIfTI image"):
        read_series(tmp_path / "v.nii")
