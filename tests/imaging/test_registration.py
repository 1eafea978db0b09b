import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from analytic_head import head, make_geometry, rigid
from glioframe.core.errors import ImageError
from glioframe.imaging.registration import correct_motion, moved, register_rigidly
from glioframe.imaging.series import Series
from glioframe.imaging.similarity import normalized_mutual_information
from glioframe.imaging.volume import Volume


def error_of(found, truth):
    residual = found @ truth
    angle = np.degrees(np.arccos(np.clip((np.trace(residual[:3, :3]) - 1) / 2, -1, 1)))
    return float(np.linalg.norm(residual[:3, 3])), angle


@pytest.mark.parametrize(("angles_deg", "shift_mm"), [((0, 0, 0), (6, -4, 3)), ((3, -4, 5), (2, 5, -6))])
def test_pet_is_brought_back_onto_the_mri(angles_deg, shift_mm):
    mri, pet = make_geometry((36, 44, 38), 4.0), make_geometry((32, 40, 34), 5.0)
    truth = rigid(angles_deg, shift_mm)
    noise = np.random.default_rng(1).normal(0, 0.02, pet.shape_vox).astype(np.float32)
    moving = Volume(head(pet, truth, pet=True) + noise, pet)
    alignment = register_rigidly(moving, Volume(head(mri), mri))
    shift_error_mm, angle_error_deg = error_of(alignment.matrix, truth)
    assert shift_error_mm <= 0.5
    assert angle_error_deg <= 0.5
    assert alignment.is_plausible
    assert alignment.rotation_deg == pytest.approx(
        Rotation.from_euler("xyz", angles_deg, degrees=True).magnitude() * 180 / np.pi, abs=0.5
    )
    center = np.array(moved(pet, alignment).world_mm((15.5, 19.5, 16.5)))
    expected = np.linalg.inv(truth)[:3, 3]
    assert np.linalg.norm(center - expected) <= 0.6


def test_motion_between_frames_is_undone_and_quiet_frames_stay_as_they_are():
    geometry = make_geometry((30, 38, 32), 5.0)
    still = head(geometry, pet=True)
    truth = rigid((0, 2, 4), (3, -2, 4))
    rng = np.random.default_rng(0)
    frames = np.stack([still, still, head(geometry, truth, pet=True), still * 0.7])
    frames += 0.03 * rng.standard_normal(frames.shape).astype(np.float32)
    corrected, motion = correct_motion(Series(frames, geometry), reference=still, first_frame=1)
    motion_mm = [0.0 if each.applied is None else each.applied.motion_mm for each in motion]
    assert motion[0].alignment is None
    assert motion_mm[2] > 5.0
    inside = ndimage.binary_erosion(still > 0.5, iterations=2)
    before, after = (np.abs(each[2] - still)[inside].mean() for each in (frames, corrected))
    assert after < 0.5 * before
    quiet = [index for index in (0, 1, 3) if motion_mm[index] == 0.0]
    assert all(np.array_equal(corrected[index], frames[index]) for index in quiet)
    assert max(motion_mm[index] for index in (0, 1, 3)) < 1.0


def test_normalized_mutual_information_knows_equal_and_unrelated_images():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 32, (2, 60, 60, 60))
    assert normalized_mutual_information(first, first) == pytest.approx(2.0)
    assert normalized_mutual_information(first, 31 - first) == pytest.approx(2.0)
    assert normalized_mutual_information(first, second) == pytest.approx(1.0, abs=0.001)
    assert normalized_mutual_information(first, np.zeros_like(first)) == pytest.approx(1.0)


def test_an_empty_image_cannot_be_registered():
    geometry = make_geometry((8, 8, 8), 4.0)
    with pytest.raises(ImageError, match="values that vary"):
        register_rigidly(Volume(np.zeros((8, 8, 8), np.float32), geometry), Volume(head(geometry), geometry))
