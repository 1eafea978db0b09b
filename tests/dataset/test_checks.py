"""The measures behind the checks: overlap of fields of view, likeness of images, plausible uptake."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from builders import make_affine, make_dataset, save_nifti
from glioframe.artifacts.dataset import Channel, save_dataset_description
from glioframe.core.geometry import Geometry
from glioframe.core.modality import Modality, Tracer, Unit
from glioframe.core.progress import SilentProgress
from glioframe.dataset.duplicate_checks import correlations, make_thumbnail
from glioframe.dataset.geometry_checks import covered_share, reference_grid
from glioframe.dataset.intensity_checks import check_quantity
from glioframe.dataset.preflight import check_dataset
from glioframe.imaging.volume import affine_from_array


def make_grid(shape=(24, 24, 24), *, spacing_mm=2.0, origin_mm=(0.0, 0.0, 0.0), turn_degrees=0.0) -> Geometry:
    angle = np.deg2rad(turn_degrees)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    affine[:3, :3] *= spacing_mm
    affine[:3, 3] = origin_mm
    return Geometry(shape_vox=shape, affine=affine_from_array(affine))


@pytest.mark.parametrize(("shift_mm", "share"), [(0, 1.0), (12, 0.75), (24, 0.5), (36, 0.25), (48, 0.0)])
def test_overlap_falls_linearly_with_a_shift_along_one_axis(shift_mm, share):
    assert covered_share(make_grid(), make_grid(origin_mm=(0.0, shift_mm, 0.0))) == pytest.approx(share, abs=1e-9)


def test_a_small_field_inside_a_large_one_is_covered_but_does_not_cover():
    small, large = make_grid((12, 12, 12), origin_mm=(11.0, 11.0, 11.0)), make_grid((23, 23, 23))
    assert covered_share(small, large) == 1.0
    assert covered_share(large, small) < (12 / 23) ** 3 * 1.2


def test_overlap_does_not_depend_on_the_spacing():
    fine, coarse = make_grid((48, 48, 48), spacing_mm=1.0), make_grid((12, 12, 12), spacing_mm=4.0)
    moved = make_grid((12, 12, 12), spacing_mm=4.0, origin_mm=(1.5, 1.5, 25.5))  # 24 mm beyond the fine grid's edge
    centered = Geometry(shape_vox=coarse.shape_vox, affine=affine_from_array(np.array(coarse.affine) + _shift(1.5)))
    assert covered_share(fine, centered) == 1.0
    assert covered_share(fine, moved) == pytest.approx(0.5)


def _shift(mm: float) -> np.ndarray:
    shift = np.zeros((4, 4))
    shift[:3, 3] = mm
    return shift


def test_the_reference_is_the_grid_of_the_majority():
    paths = [Path(name) for name in "abc"]
    grids = dict(zip(paths, [make_grid(origin_mm=(9.0, 0.0, 0.0)), make_grid(), make_grid()], strict=True))
    assert reference_grid(grids) == Path("b")


def make_brain(seed: int, shape=(40, 48, 44)) -> np.ndarray:
    """A smooth random texture inside an ellipsoid: another anatomy for each seed."""
    rng = np.random.default_rng(seed)
    waves = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    texture = sum(
        np.cos(np.tensordot(rng.normal(0, 6, 3), waves, axes=1) + rng.uniform(0, 2 * np.pi)) for _ in range(20)
    )
    return (((waves**2).sum(0) < 0.8) * (100 + 10 * texture)).astype(np.float32)


def test_different_brains_are_not_alike():
    table = correlations([make_thumbnail(make_brain(seed)) for seed in range(8)])
    assert np.abs(table[np.triu_indices(8, 1)]).max() < 0.6
    assert np.diagonal(table) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "change",
    [
        lambda brain: brain * 3.5,
        lambda brain: np.roll(brain, (2, -3, 1), (0, 1, 2)),
        lambda brain: np.pad(brain, 6),
        lambda brain: brain + (brain > 0) * np.random.default_rng(1).normal(0, 5, brain.shape),
        lambda brain: np.minimum(brain, np.percentile(brain, 99)),
        lambda brain: np.rint(brain / 4),
    ],
    ids=["rescaled", "shifted", "padded", "noisy", "clipped", "rounded"],
)
def test_a_copy_is_recognized_after(change):
    brain = make_brain(0)
    copy = np.asarray(change(brain), dtype=np.float32)
    assert correlations([make_thumbnail(brain), make_thumbnail(copy)])[0, 1] > 0.99


@pytest.mark.parametrize(
    "change",
    [lambda brain: np.kron(brain, np.ones((2, 2, 2))), lambda brain: brain[::2, ::2, ::2], lambda brain: brain[3:-3]],
    ids=["upsampled", "thinned", "cropped"],
)
def test_a_resampled_or_cropped_copy_stays_suspicious(change):
    brain = make_brain(0)
    assert correlations([make_thumbnail(brain), make_thumbnail(change(brain).astype(np.float32))])[0, 1] > 0.93


def test_correlation_agrees_with_numpy_over_the_cells_in_both_heads():
    first, second = make_thumbnail(make_brain(1)), make_thumbnail(make_brain(2))
    both = first.inside & second.inside
    expected = np.corrcoef(first.cells[both], second.cells[both])[0, 1]
    assert correlations([first, second])[0, 1] == pytest.approx(expected, abs=1e-9)


def test_images_without_a_common_head_or_contrast_are_not_alike():
    flat = np.ones((24, 24, 24), np.float32)
    table = correlations([make_thumbnail(flat), make_thumbnail(flat), make_thumbnail(make_brain(0))])
    assert np.isfinite(table).all()
    assert table[0, 1] == 0.0


@pytest.mark.parametrize(
    ("tracer", "unit", "median", "num_findings"),
    [
        (Tracer.FDOPA, Unit.SUV_BW, 1.0, 0),
        (Tracer.FET, Unit.SUV_BW, 2.9, 0),
        (Tracer.FET, Unit.SUV_BW, 3.1, 1),
        (Tracer.MET, Unit.SUV_BW, 0.29, 1),
        (Tracer.FDG, Unit.SUV_BW, 8.0, 0),
        (Tracer.FDOPA, Unit.TBR, 1.0, 0),
        (Tracer.FDOPA, Unit.TBR, 40.0, 1),
        (Tracer.FDOPA, Unit.BQ_ML, 3000.0, 0),
        (Tracer.FDOPA, Unit.BQ_ML, 1.0, 1),
    ],
)
def test_uptake_is_plausible_within_the_limits_of_its_tracer_and_unit(tracer, unit, median, num_findings):
    channel = Channel(name="pet", modality=Modality.PET_STATIC, tracer=tracer, unit=unit)
    brain = np.zeros((4, 4, 4), dtype=bool)
    brain[1:3] = True
    array = np.where(brain, median, 0.0).astype(np.float32)
    findings = list(check_quantity("case", Path("case_0000.nii.gz"), array, channel=channel, brain=brain))
    assert len(findings) == num_findings
    assert all(finding.check == "plausible_uptake" and finding.severity == "warning" for finding in findings)


def test_channels_on_their_own_grids_are_no_fault_where_the_dataset_says_so(tmp_path):
    folder = tmp_path / "Dataset001_Test"
    dataset = make_dataset(folder, num_subjects=6)
    description = replace(dataset.description, grid="per_channel")
    save_dataset_description(description, folder / "dataset.json", num_training=6)
    for path in folder.glob("imagesTr/*_0001.nii.gz"):
        suv = np.asarray(nibabel.load(path).dataobj).transpose(2, 1, 0)
        affine = make_affine((8.0, 8.0, 8.0))
        affine[:3, 3] += 2.0  # the center of a block of 2 x 2 x 2 voxels
        save_nifti(suv.reshape(16, 2, 22, 2, 18, 2).mean((1, 3, 5), dtype=np.float32), path, affine)
    assert check_dataset(folder, num_workers=1, progress=SilentProgress()).findings == ()
