"""A PET on a grid of its own comes to lie on the MRI, or stays where it was if no head moves like that."""

from dataclasses import replace

import numpy as np
import pytest
from small_plan import make_configuration, make_plan

from analytic_head import head, make_geometry, rigid
from builders import CHANNELS
from glioframe.artifacts.dataset import DatasetDescription
from glioframe.artifacts.pet_record import load_pet_record
from glioframe.artifacts.raw_dataset import CaseFiles
from glioframe.imaging.array_store import load_array
from glioframe.imaging.volume import Volume, write_volume
from glioframe.preprocessing.case import preprocess_case

DESCRIPTION = DatasetDescription(name="Dataset001_Test", channels=CHANNELS, grid="per_channel")
MRI, PET = make_geometry((36, 44, 38), 4.0), make_geometry((32, 40, 34), 5.0)
PET_VOXEL_MM = 5.0
HOT = 2.0


def make_case(folder, move):
    folder.mkdir()
    noise = np.random.default_rng(1).normal(0, 0.02, PET.shape_vox).astype(np.float32)
    paths = (folder / "case_0000.nii.gz", folder / "case_0001.nii.gz")
    write_volume(Volume(head(MRI), MRI), paths[0])
    write_volume(Volume(head(PET, move, pet=True) + noise, PET), paths[1])
    return CaseFiles(case_id="case", channels=paths)


def preprocess(files, folder, *, align):
    plan = replace(make_plan(DESCRIPTION, suv_scale=1.0, interpolation=1), rigid_alignment=align)
    case = preprocess_case(files, DESCRIPTION, plan, make_configuration(spacing_mm=(4.0, 4.0, 4.0)), folder)
    return case, load_array(case.image_path)[1]


def lesion_mm(case, pet):
    """Where the hot lesion lies, 40 mm from the middle, so that turns count too."""
    return np.array(case.properties.geometry.world_mm(tuple(np.argwhere(pet > HOT).mean(axis=0))))


@pytest.mark.parametrize(("angles_deg", "shift_mm"), [((0, 0, 0), (10, -8, 6)), ((4, -5, 8), (-6, 9, 7))])
def test_a_moved_pet_is_brought_onto_the_mri(tmp_path, angles_deg, shift_mm):
    files = make_case(tmp_path / "raw", rigid(angles_deg, shift_mm))
    case, aligned = preprocess(files, tmp_path / "aligned", align=True)
    truth = lesion_mm(case, head(case.properties.geometry, pet=True))
    assert np.linalg.norm(lesion_mm(case, aligned) - truth) <= 0.3 * PET_VOXEL_MM
    as_it_was = preprocess(files, tmp_path / "as_it_was", align=False)
    assert np.linalg.norm(lesion_mm(*as_it_was) - truth) > PET_VOXEL_MM
    (record,) = load_pet_record(case.folder, "case").alignments
    assert record.is_applied
    assert record.nmi_after > record.nmi_before


def test_a_pet_that_cannot_be_registered_stays_as_it_was_and_the_record_tells(tmp_path):
    """No head lies 60 mm off within a scanner: a move so far is a failure, however similar the images become."""
    files = make_case(tmp_path / "raw", rigid((0, 0, 0), (60, 0, 0)))
    case, left_alone = preprocess(files, tmp_path / "aligned", align=True)
    _, as_it_was = preprocess(files, tmp_path / "as_it_was", align=False)
    np.testing.assert_array_equal(left_alone, as_it_was)
    (record,) = load_pet_record(case.folder, "case").alignments
    assert not record.is_applied
