"""Fingerprints of datasets whose content is known."""

from __future__ import annotations

import numpy as np
import pytest

from builders import CHANNELS, RECURRENCE, make_affine, make_dataset, save_nifti
from glioframe.artifacts.cases import Case, save_cases
from glioframe.artifacts.dataset import DatasetDescription, save_dataset_description
from glioframe.artifacts.fingerprint import Fingerprint
from glioframe.artifacts.json_file import load_json, save_json, to_json
from glioframe.artifacts.raw_dataset import load_raw_dataset
from glioframe.core.errors import ImageError
from glioframe.core.progress import SilentProgress
from glioframe.fingerprint.extract import MOST_VOXELS_SAMPLED, extract_fingerprint

SHAPE = (30, 40, 36)  # z, y, x
SPACING_XYZ = (2.0, 3.0, 4.0)


def make_known_dataset(folder, *, num_cases=2, external=()):
    """Brains that are a box of 20 x 24 x 16 voxels; PET 1 in the brain and 3 in two lesions, one of them tiny."""
    description = DatasetDescription(name=folder.name, channels=CHANNELS, targets=(RECURRENCE,))
    brain = np.zeros(SHAPE, dtype=np.float32)
    brain[5:25, 8:32, 10:26] = 1.0
    label = np.zeros(SHAPE, dtype=np.uint8)
    label[10:14, 10:15, 12:18] = 1
    label[20, 30, 20] = 1
    cases = []
    for index in range(num_cases):
        name = f"case{index}"
        rng = np.random.default_rng(index)
        save_nifti(
            brain * rng.normal(500, 50, SHAPE).astype(np.float32),
            folder / "imagesTr" / f"{name}_0000.nii.gz",
            make_affine(SPACING_XYZ),
        )
        save_nifti(brain + 2 * label, folder / "imagesTr" / f"{name}_0001.nii.gz", make_affine(SPACING_XYZ))
        save_nifti(label, folder / "labelsTr" / f"{name}.nii.gz", make_affine(SPACING_XYZ))
        split = "external" if index in external else "train"
        known = {"recurrence": "progression"} if index == 0 else {"recurrence": None}
        cases.append(Case(case_id=name, subject_id=f"sub{index}", site="AB"[index % 2], split=split, targets=known))
    save_dataset_description(description, folder / "dataset.json", num_training=num_cases)
    save_cases(cases, folder / "cases.tsv", description)
    return load_raw_dataset(folder)


def extract(dataset, *, num_workers=1):
    return extract_fingerprint(dataset, num_workers=num_workers, progress=SilentProgress())


def test_geometry_and_lesions_are_those_of_the_images(tmp_path):
    case = extract(make_known_dataset(tmp_path / "Dataset001_Known")).cases[0]
    assert case.shape_vox == SHAPE
    np.testing.assert_allclose(case.spacing_mm, SPACING_XYZ[::-1])
    # 4 mm of margin are 1, 2 and 2 voxels of 4, 3 and 2 mm.
    assert case.brain_box_vox == ((4, 26), (6, 34), (8, 28))
    assert case.lesion_volume_ml == pytest.approx((4 * 5 * 6 + 1) * 24 / 1000)
    assert case.lesion_extent_mm == pytest.approx((11 * 4.0, 21 * 3.0, 9 * 2.0))
    assert case.num_lesions == 2
    assert case.channels_present == (True, True)


def test_lesions_that_touch_at_a_corner_count_as_one(tmp_path):
    dataset = make_known_dataset(tmp_path / "Dataset001_Known", num_cases=1)
    label = np.zeros(SHAPE, dtype=np.uint8)
    label[10, 10, 10] = label[11, 11, 11] = label[13, 13, 13] = 1
    save_nifti(label, dataset.folder / "labelsTr" / "case0.nii.gz", make_affine(SPACING_XYZ))
    assert extract(dataset).cases[0].num_lesions == 2


def test_intensities_are_pooled_inside_brain_and_lesion(tmp_path):
    fingerprint = extract(make_known_dataset(tmp_path / "Dataset001_Known", num_cases=3))
    mri, pet = fingerprint.channels
    assert mri.brain is not None
    assert mri.brain.mean == pytest.approx(500, abs=3)
    assert mri.brain.std == pytest.approx(50, rel=0.05)
    assert mri.brain.percentile_99_5 == pytest.approx(500 + 2.576 * 50, rel=0.03)
    assert mri.brain.min <= mri.brain.percentile_00_5 <= mri.brain.median <= mri.brain.percentile_99_5 <= mri.brain.max
    assert pet.lesion is not None
    assert pet.lesion.median == pet.lesion.min == pet.lesion.max == 3.0
    assert pet.brain is not None
    assert pet.brain.mean == pytest.approx(1 + 2 * 121 / (20 * 24 * 16), rel=1e-3)


def test_a_large_brain_is_sampled_without_bias(tmp_path):
    dataset = make_known_dataset(tmp_path / "Dataset001_Known", num_cases=1)
    image = np.zeros((60, 60, 60), dtype=np.float32)
    image[5:55, 5:55, 5:55] = np.linspace(1.0, 2.0, 50)[:, None, None]
    for index in range(2):
        save_nifti(image, dataset.folder / "imagesTr" / f"case0_000{index}.nii.gz")
    (dataset.folder / "labelsTr" / "case0.nii.gz").unlink()
    assert MOST_VOXELS_SAMPLED < 50**3
    statistics = extract(dataset).channels[1].brain
    assert statistics is not None
    assert statistics.mean == pytest.approx(1.5, abs=0.01)
    assert statistics.percentile_00_5 == pytest.approx(1.0, abs=0.01)


def test_external_cases_are_never_looked_at(tmp_path):
    folder = tmp_path / "Dataset001_Known"
    make_known_dataset(folder, num_cases=3, external=(2,))
    (folder / "imagesTr" / "case2_0000.nii.gz").write_bytes(b"not an image")
    fingerprint = extract(load_raw_dataset(folder))
    assert [case.case_id for case in fingerprint.cases] == ["case0", "case1"]
    assert fingerprint.num_subjects == 2
    assert fingerprint.site_counts == {"A": 1, "B": 1}


def test_classes_are_counted_and_unknown_ones_too(tmp_path):
    fingerprint = extract(make_known_dataset(tmp_path / "Dataset001_Known", num_cases=3))
    assert fingerprint.class_counts == {"recurrence": {"": 2, "progression": 1}}


def test_missing_channels_and_labels_are_counted_not_guessed(tmp_path):
    dataset = make_dataset(tmp_path / "Dataset001_Test", num_subjects=4, missing_every=2)
    (dataset.folder / "labelsTr" / "case000.nii.gz").unlink()
    fingerprint = extract(dataset)
    assert [channel.num_present for channel in fingerprint.channels] == [2, 4]
    assert fingerprint.cases[0].lesion_volume_ml is None
    assert fingerprint.cases[0].num_lesions is None
    assert fingerprint.cases[1].channels_present == (False, True)


def test_a_channel_that_no_case_has_has_no_statistics(tmp_path):
    dataset = make_dataset(tmp_path / "Dataset001_Test", num_subjects=2, missing_every=1)
    channel = extract(dataset).channels[0]
    assert channel.num_present == 0
    assert channel.brain is None
    assert channel.lesion is None


def test_the_number_of_workers_changes_nothing_and_the_file_comes_back_equal(tmp_path):
    dataset = make_dataset(tmp_path / "Dataset001_Test", num_subjects=4)
    fingerprint = extract(dataset, num_workers=2)
    assert to_json(fingerprint) == to_json(extract(dataset))
    save_json(fingerprint, tmp_path / "dataset_fingerprint.json")
    assert load_json(Fingerprint, tmp_path / "dataset_fingerprint.json") == fingerprint


def test_nnunets_fields_agree_with_the_cases(tmp_path):
    fingerprint = extract(make_known_dataset(tmp_path / "Dataset001_Known"))
    assert fingerprint.shapes_after_crop == ((22, 28, 20),) * 2
    assert fingerprint.spacings == tuple(case.spacing_mm for case in fingerprint.cases)
    expected = 22 * 28 * 20 / (30 * 40 * 36)
    assert fingerprint.median_relative_size_after_cropping == pytest.approx(expected)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_an_unreadable_image_is_named_also_from_a_worker_process(tmp_path, num_workers):
    dataset = make_known_dataset(tmp_path / "Dataset001_Known", num_cases=3)
    (dataset.folder / "imagesTr" / "case1_0000.nii.gz").write_bytes(b"not an image")
    with pytest.raises(ImageError, match=r"case1_0000\.nii\.gz"):
        extract(dataset, num_workers=num_workers)
