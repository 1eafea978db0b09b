"""What a preprocessed case holds: quantities, presence, and everything at its place in the patient."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import nibabel
import nibabel.processing
import numpy as np
import pytest
from small_plan import make_configuration, make_plan

from builders import CHANNELS, make_affine, make_head, save_nifti
from glioframe.artifacts.dataset import Channel, DatasetDescription
from glioframe.artifacts.raw_dataset import CaseFiles
from glioframe.core.errors import DatasetError, ImageError, PlanError
from glioframe.core.modality import Modality
from glioframe.imaging.array_store import load_array
from glioframe.preprocessing.case import preprocess_case

DESCRIPTION = DatasetDescription(name="Dataset001_Test", channels=CHANNELS)


def make_case(folder, *, seed=0, dose=1.0, with_label=True, absent=(), spacing_xyz=(4.0, 4.0, 4.0)):
    volumes, label = make_head(np.random.default_rng(seed))
    volumes[1] = volumes[1] * np.float32(dose)
    paths = []
    for index, volume in enumerate(volumes):
        path = folder / f"case_{index:04d}.nii.gz"
        save_nifti(volume, path, make_affine(spacing_xyz))
        paths.append(None if index in absent else path)
    save_nifti(label, folder / "case.nii.gz", make_affine(spacing_xyz))
    return CaseFiles(case_id="case", channels=tuple(paths), label=folder / "case.nii.gz" if with_label else None), (
        volumes,
        label,
    )


def preprocess(files, folder, *, description=DESCRIPTION, plan=None, spacing_mm=(5.0, 5.0, 5.0)):
    configuration = make_configuration(spacing_mm=spacing_mm)
    return preprocess_case(files, description, plan or make_plan(description), configuration, folder)


def test_doubling_the_dose_doubles_the_values_and_leaves_the_mri_as_it_is(tmp_path):
    single, _ = make_case(tmp_path / "single", dose=1.0)
    double, _ = make_case(tmp_path / "double", dose=2.0)
    first = load_array(preprocess(single, tmp_path / "a").image_path)
    second = load_array(preprocess(double, tmp_path / "b").image_path)
    np.testing.assert_allclose(second[1], 2 * first[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(second[0], first[0])


def test_a_fixed_scale_divides_and_does_nothing_else(tmp_path):
    files, (volumes, _) = make_case(tmp_path / "raw")
    plan = make_plan(DESCRIPTION, suv_scale=2.5)
    case = preprocess(files, tmp_path / "out", plan=plan, spacing_mm=(4.0, 4.0, 4.0))
    (z0, z1), (y0, y1), (x0, x1) = case.properties.brain_box_vox
    np.testing.assert_allclose(load_array(case.image_path)[1], volumes[1][z0:z1, y0:y1, x0:x1] / 2.5, rtol=1e-6)


def test_mri_has_median_zero_and_robust_deviation_one_in_the_brain_whatever_the_scanners_gain(tmp_path):
    files, (volumes, _) = make_case(tmp_path / "raw")
    image = load_array(preprocess(files, tmp_path / "a", spacing_mm=(4.0, 4.0, 4.0)).image_path)[0]
    inside = image[image != 0]
    assert np.median(inside) == pytest.approx(0.0, abs=0.01)
    assert 1.4826 * np.median(np.abs(inside)) == pytest.approx(1.0, abs=0.01)
    assert files.channels[0] is not None
    save_nifti(volumes[0] * 7.0, files.channels[0])
    louder = load_array(preprocess(files, tmp_path / "b", spacing_mm=(4.0, 4.0, 4.0)).image_path)[0]
    np.testing.assert_allclose(louder, image, atol=1e-4)


def test_the_air_around_a_stripped_brain_is_zero_in_mri(tmp_path):
    files, (volumes, _) = make_case(tmp_path / "raw")
    case = preprocess(files, tmp_path / "out", spacing_mm=(4.0, 4.0, 4.0))
    (z0, z1), (y0, y1), (x0, x1) = case.properties.brain_box_vox
    brain = volumes[0][z0:z1, y0:y1, x0:x1] != 0
    assert not load_array(case.image_path)[0][~brain].any()


@pytest.mark.parametrize("absent", [0, 1])
def test_an_absent_channel_is_zero_and_recorded_and_the_other_one_is_unchanged(tmp_path, absent):
    complete, _ = make_case(tmp_path / "raw")
    partial, _ = make_case(tmp_path / "raw", absent=(absent,))
    whole = load_array(preprocess(complete, tmp_path / "a").image_path)
    case = preprocess(partial, tmp_path / "b")
    image = load_array(case.image_path)
    assert case.properties.channels_present == tuple(index != absent for index in range(2))
    assert not image[absent].any()
    np.testing.assert_array_equal(image[1 - absent], whole[1 - absent])


@pytest.mark.parametrize("spacing_xyz", [(4.0, 4.0, 4.0), (3.0, 3.5, 5.0)])
def test_the_lesion_center_is_at_its_place_in_the_world(tmp_path, spacing_xyz):
    files, (_, label) = make_case(tmp_path / "raw", spacing_xyz=spacing_xyz)
    case = preprocess(files, tmp_path / "out")
    center_xyz = np.argwhere(label).mean(0)[::-1]
    expected_mm = make_affine(spacing_xyz)[:3, :3] @ center_xyz + make_affine(spacing_xyz)[:3, 3]
    center = case.properties.lesion_center_vox
    assert center is not None
    np.testing.assert_allclose(case.properties.geometry.world_mm(center), expected_mm, atol=1e-3)
    stored = load_array(case.label_path)
    assert stored.dtype == np.int8
    np.testing.assert_allclose(np.argwhere(stored).mean(0), center, atol=0.5)


def test_a_lesion_outside_of_the_brain_mask_is_inside_of_the_crop(tmp_path):
    files, _ = make_case(tmp_path / "raw")
    label = np.zeros((32, 44, 36), dtype=np.uint8)
    label[0, 0, 0] = 1
    assert files.label is not None
    save_nifti(label, files.label)
    case = preprocess(files, tmp_path / "out", spacing_mm=(4.0, 4.0, 4.0))
    assert load_array(case.label_path)[0, 0, 0] == 1


@pytest.mark.parametrize("axes", ["LAS", "PIR", "SRA"])
def test_how_the_file_is_oriented_changes_nothing(tmp_path, axes):
    files, _ = make_case(tmp_path / "ras")
    turned = replace(
        files,
        channels=tuple(turn(path, tmp_path / "turned" / path.name, axes) for path in files.channels if path),
        label=turn(files.label, tmp_path / "turned" / "case.nii.gz", axes),
    )
    first, second = preprocess(files, tmp_path / "a"), preprocess(turned, tmp_path / "b")
    np.testing.assert_array_equal(load_array(second.image_path), load_array(first.image_path))
    np.testing.assert_array_equal(load_array(second.label_path), load_array(first.label_path))
    np.testing.assert_allclose(second.properties.affine, first.properties.affine, atol=1e-4)
    np.testing.assert_allclose(second.properties.lesion_center_vox, first.properties.lesion_center_vox, atol=1e-4)


def turn(path, target, axes):
    image = nibabel.load(path)
    start = nibabel.orientations.io_orientation(image.affine)
    end = nibabel.orientations.axcodes2ornt(tuple(axes))
    target.parent.mkdir(exist_ok=True)
    nibabel.save(image.as_reoriented(nibabel.orientations.ornt_transform(start, end)), target)
    return target


def test_channels_on_their_own_grids_meet_on_the_first_ones(tmp_path):
    grids = (((4.0, 4.0, 4.0), (32, 44, 36)), ((3.0, 5.0, 4.5), (40, 38, 44)))
    paths = []
    for spacing, shape in grids:
        affine = make_affine(spacing)
        z, y, x = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
        right, anterior, superior = (
            affine[axis, axis] * index + affine[axis, 3] for axis, index in enumerate((x, y, z))
        )
        blob = np.exp(-((right + 10) ** 2 + (anterior + 5) ** 2 + (superior - 5) ** 2) / (2 * 20.0**2))
        paths.append(tmp_path / f"case_{len(paths):04d}.nii.gz")
        save_nifti(blob.astype(np.float32), paths[-1], affine)
    description = replace(DESCRIPTION, grid="per_channel", channels=(CHANNELS[1], replace(CHANNELS[1], name="late")))
    files = CaseFiles(case_id="case", channels=tuple(paths))
    first, second = load_array(preprocess(files, tmp_path / "out", description=description).image_path)
    inside = (slice(3, -3),) * 3
    np.testing.assert_allclose(second[inside], first[inside], atol=0.01)


def make_partly_seen_case(folder, *, first_z=14, size_z=18, suv=False):
    """Two images of one brain; the second, on a shifted grid, begins only at slice ``first_z``."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (32, 44, 36)), indexing="ij")
    brain = z**2 + y**2 + x**2 < 0.8
    texture = 400 + 60 * np.sin(5 * x) + 40 * np.cos(4 * y) + 30 * np.sin(3 * z)
    whole = (brain * texture).astype(np.float32)
    affine = make_affine()
    affine[2, 3] += 4.0 * first_z
    paths = (folder / "case_0000.nii.gz", folder / "case_0001.nii.gz")
    save_nifti(whole, paths[0])
    save_nifti(whole[first_z : first_z + size_z], paths[1], affine)
    second = CHANNELS[1] if suv else Channel(name="t1n", modality=Modality.T1N)
    description = replace(DESCRIPTION, grid="per_channel", channels=(CHANNELS[0], second))
    return CaseFiles(case_id="case", channels=paths), description


def seen_and_brain(case, *, first_z=14):
    """Which voxels lie inside of the second image by a voxel or more, which outside by as much; and the brain."""
    shape = case.properties.shape_vox
    world_z = np.array([case.properties.geometry.world_mm((float(z), 0.0, 0.0))[2] for z in range(shape[0])])
    edge_mm = -60.0 + 4.0 * (first_z - 0.5)
    return world_z > edge_mm + 4.0, world_z < edge_mm - 0.01


def test_what_a_channel_does_not_see_is_zero_and_takes_no_part_in_its_statistics(tmp_path):
    files, description = make_partly_seen_case(tmp_path / "raw")
    case = preprocess(files, tmp_path / "out", description=description, spacing_mm=(4.0, 4.0, 4.0))
    first, second = load_array(case.image_path)
    seen, unseen = seen_and_brain(case)
    assert (first[unseen] != 0).mean() > 0.1
    assert not second[unseen].any()
    inside = second[~unseen][first[~unseen] != 0]
    assert np.median(inside) == pytest.approx(0.0, abs=0.02)
    assert 1.4826 * np.median(np.abs(inside)) == pytest.approx(1.0, abs=0.02)
    # One and the same texture: where both see it they differ by scale and offset only.
    both = first[seen] != 0
    assert np.corrcoef(first[seen][both], second[seen][both])[0, 1] > 0.999


def test_a_quantity_stays_a_quantity_where_it_is_seen_and_is_zero_elsewhere(tmp_path):
    files, description = make_partly_seen_case(tmp_path / "raw", suv=True)
    plan = make_plan(description, suv_scale=2.0, interpolation=1)
    case = preprocess(files, tmp_path / "out", description=description, plan=plan, spacing_mm=(4.0, 4.0, 4.0))
    (z0, z1), (y0, y1), (x0, x1) = case.properties.brain_box_vox
    raw = nibabel.load(files.channels[0]).get_fdata().T[z0:z1, y0:y1, x0:x1]
    second = load_array(case.image_path)[1]
    seen, unseen = seen_and_brain(case)
    np.testing.assert_allclose(second[seen], raw[seen] / 2.0, rtol=1e-4, atol=1e-3)
    assert not second[unseen].any()


@pytest.mark.parametrize("suv", [True, False])
def test_a_channel_that_shows_nothing_of_the_brain_is_refused(tmp_path, suv):
    files, description = make_partly_seen_case(tmp_path / "raw", suv=suv)
    affine = make_affine()
    affine[2, 3] += 1000.0
    save_nifti(np.random.default_rng(0).uniform(1, 2, (8, 44, 36)).astype(np.float32), files.channels[1], affine)
    with pytest.raises(ImageError, match=r"case_0001.*shows some of the brain.*share the world space"):
        preprocess(files, tmp_path / "out", description=description)


def test_values_that_are_not_finite_are_refused(tmp_path):
    files, (volumes, _) = make_case(tmp_path / "raw")
    volumes[1][3, 4, 5] = np.nan
    assert files.channels[1] is not None
    save_nifti(volumes[1], files.channels[1])
    with pytest.raises(ImageError, match="1 voxels that are NaN"):
        preprocess(files, tmp_path / "out")


def test_an_mri_without_contrast_is_refused(tmp_path):
    files, (volumes, _) = make_case(tmp_path / "raw")
    assert files.channels[0] is not None
    save_nifti((volumes[0] != 0).astype(np.float32), files.channels[0])
    with pytest.raises(ImageError, match="values that vary inside of the brain"):
        preprocess(files, tmp_path / "out", spacing_mm=(4.0, 4.0, 4.0))


def test_a_label_value_that_is_not_declared_is_refused(tmp_path):
    files, (_, label) = make_case(tmp_path / "raw")
    assert files.label is not None
    save_nifti(label * 4, files.label)
    with pytest.raises(ImageError, match=r"\[4\]"):
        preprocess(files, tmp_path / "out")


def test_a_case_without_any_planned_channel_is_refused(tmp_path):
    files, _ = make_case(tmp_path / "raw", absent=(1,))
    plan = make_plan(replace(DESCRIPTION, channels=CHANNELS[1:]))
    with pytest.raises(DatasetError, match="planned channels fdopa"):
        preprocess(files, tmp_path / "out", plan=plan)


def test_a_plan_for_another_channel_is_refused(tmp_path):
    files, _ = make_case(tmp_path / "raw")
    plan = make_plan(replace(DESCRIPTION, channels=(Channel(name="t1c", modality=Modality.T1N),)))
    with pytest.raises(PlanError, match="t1c"):
        preprocess(files, tmp_path / "out", plan=plan)


@pytest.mark.skipif("GLIOFRAME_REAL_DATA" not in os.environ, reason="GLIOFRAME_REAL_DATA is not set")
def test_real_sequences_on_four_grids_lie_where_nibabel_puts_them(tmp_path):
    folder = Path(os.environ["GLIOFRAME_REAL_DATA"]) / "native_mri" / "TCGA-FG-6692"
    by_modality = {Modality.T1C: "t1c", Modality.T1N: "t1", Modality.T2W: "t2", Modality.T2F: "fla"}
    description = DatasetDescription(
        name="Dataset001_Native",
        channels=tuple(Channel(name=str(modality), modality=modality) for modality in by_modality),
        grid="per_channel",
    )
    paths = tuple(next(folder.glob(f"*_{ending}.nii.gz")) for ending in by_modality.values())
    files = CaseFiles(case_id="case", channels=paths)
    case = preprocess(files, tmp_path, description=description, spacing_mm=(4.0, 1.2, 1.2))
    target = (case.properties.shape_vox[::-1], np.array(case.properties.affine))
    for channel, path in zip(load_array(case.image_path), paths, strict=True):
        image = nibabel.load(path)
        expected = nibabel.processing.resample_from_to(image, target, order=3).get_fdata().T
        ones = nibabel.Nifti1Image(np.ones(image.shape), image.affine)
        inside = nibabel.processing.resample_from_to(ones, target, order=1).get_fdata().T > 0.999
        assert inside.mean() > 0.8
        # Normalizing changes scale and offset only, hence the correlation.
        assert np.corrcoef(channel[inside], expected[inside])[0, 1] > 0.9999
