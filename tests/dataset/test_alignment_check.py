"""A PET that lies elsewhere than the MRI is found, in the case where it does and in no other."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from glioframe.artifacts.raw_dataset import load_raw_dataset
from glioframe.core.progress import SilentProgress
from glioframe.dataset.alignment_checks import check_alignment
from glioframe.dataset.preflight import check_dataset
from glioframe.imaging.series import Series, read_series, write_series
from glioframe.imaging.volume import Volume, affine_from_array, read_volume
from glioframe.simulation.dynamic_cohort import simulate_dynamic_cohort
from glioframe.simulation.settings import CohortSettings


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four patients and one of a third site, 6 mm voxels, dynamic FDOPA."""
    folder = tmp_path_factory.mktemp("raw") / "Dataset001_Test"
    settings = CohortSettings(num_cases=4, num_external=1, spacing_mm=6.0, missing_rate=0.0)
    simulate_dynamic_cohort(settings, folder, progress=SilentProgress())
    return folder


def findings(folder):
    preflight = check_dataset(folder, num_workers=1, progress=SilentProgress())
    return [finding for finding in preflight.findings if finding.check == "pet_on_mri"]


def pair(folder, case="sim001"):
    mri, _, pet = load_raw_dataset(folder).files(case).channels
    series = read_series(pet)
    return read_volume(mri), Volume(series.array.mean(axis=0), series.geometry)


def check(mri, pet, brain=None):
    brain = mri.array > 0 if brain is None else brain
    return list(check_alignment("case", Path("pet.nii.gz"), pet, mri_path=Path("mri.nii.gz"), mri=mri, brain=brain))


def test_the_one_pet_that_was_shifted_is_found(folder):
    assert findings(folder) == []
    path = load_raw_dataset(folder).files("sim002").channels[2]
    as_it_was, series = path.read_bytes(), read_series(path)
    shifted = ndimage.shift(series.array, (0, 20.0 / 6.0, 0, 0), order=1)
    write_series(Series(shifted, series.geometry), path)
    (finding,) = findings(folder)
    path.write_bytes(as_it_was)
    assert (finding.case_id, finding.severity) == ("sim002", "warning")
    shift_mm = float(finding.message.split("a shift of ")[1].split(" mm")[0])
    assert shift_mm == pytest.approx(20.0, abs=2.0)


def test_a_turned_head_is_found_and_a_small_turn_is_left_to_the_reader(folder):
    mri, pet = pair(folder)

    def turned(angle_deg):
        turn = np.eye(4)
        turn[:3, :3] = Rotation.from_euler("z", angle_deg, degrees=True).as_matrix()
        affine = affine_from_array(turn @ np.array(pet.geometry.affine))
        return Volume(pet.array, replace(pet.geometry, affine=affine))

    (finding,) = check(mri, turned(15.0))
    turn_deg = float(finding.message.split("a turn of ")[1].split(" degrees")[0])
    assert turn_deg == pytest.approx(15.0, abs=2.0)
    assert check(mri, turned(2.0)) == []


def test_what_shows_too_little_of_a_brain_is_not_compared(folder):
    mri, pet = pair(folder)
    far = Volume(np.roll(pet.array, 4, axis=2), pet.geometry)
    assert len(check(mri, far)) == 1
    assert check(mri, far, brain=np.zeros(mri.array.shape, dtype=np.bool_)) == []
