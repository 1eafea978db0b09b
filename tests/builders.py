"""Small raw datasets with known content, for the tests."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np

from glioframe.artifacts.cases import Case, save_cases
from glioframe.artifacts.dataset import Channel, DatasetDescription, Target, save_dataset_description
from glioframe.artifacts.raw_dataset import RawDataset, channel_file_name, load_raw_dataset
from glioframe.core.modality import Modality, Tracer, Unit

RECURRENCE = Target(name="recurrence", classes=("treatment_related_change", "progression"))
CHANNELS = (
    Channel(name="t1c", modality=Modality.T1C),
    Channel(name="fdopa", modality=Modality.PET_STATIC, tracer=Tracer.FDOPA, unit=Unit.SUV_BW),
)


def make_affine(spacing_mm_xyz: tuple[float, float, float] = (4.0, 4.0, 4.0)) -> np.ndarray:
    """RAS+ affine of a grid whose first voxel lies at (-80, -100, -60) mm."""
    affine = np.diag([*spacing_mm_xyz, 1.0])
    affine[:3, 3] = (-80.0, -100.0, -60.0)
    return affine


def make_head(
    rng: np.random.Generator, *, shape_zyx: tuple[int, int, int] = (32, 44, 36), uptake: float = 2.0
) -> tuple[list[np.ndarray], np.ndarray]:
    """T1c and SUV volumes (z, y, x) of an ellipsoidal brain with one spherical lesion, and its label."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape_zyx), indexing="ij"))
    brain = (grid**2).sum(0) < 0.8
    center = rng.uniform(-0.35, 0.35, size=3)
    lesion = ((grid - center[:, None, None, None]) ** 2).sum(0) < 0.06
    t1c = brain * (400 + 100 * lesion + 20 * rng.standard_normal(shape_zyx))
    suv = brain * np.clip(1.0 + (uptake - 1.0) * lesion + 0.1 * rng.standard_normal(shape_zyx), 0.05, None)
    return [t1c.astype(np.float32), suv.astype(np.float32)], lesion.astype(np.uint8)


def save_nifti(array_zyx: np.ndarray, path: Path, affine: np.ndarray | None = None) -> None:
    """Writes (z, y, x) as NIfTI."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(array_zyx.transpose(2, 1, 0), make_affine() if affine is None else affine)
    nibabel.save(image, path)


def make_dataset(
    folder: Path,
    *,
    num_subjects: int = 6,
    num_external: int = 0,
    seed: int = 0,
    signal: bool = True,
    missing_every: int = 0,
) -> RawDataset:
    """Writes a cohort of one case per subject; with ``signal``, progression has twice the uptake.

    Args:
        folder: ``.../raw/Dataset001_Test``.
        num_subjects: Training subjects.
        num_external: Further subjects of split external, at site "C".
        seed: Of everything.
        signal: Whether uptake depends on the target.
        missing_every: Every n-th case lacks its T1c; 0 for none.
    """
    description = DatasetDescription(name=folder.name, channels=CHANNELS, targets=(RECURRENCE,))
    cases = []
    for index in range(num_subjects + num_external):
        rng = np.random.default_rng([seed, index])
        progression = bool(index % 2)
        external = index >= num_subjects
        case = Case(
            case_id=f"case{index:03d}",
            subject_id=f"sub{index:03d}",
            session_id="1",
            site="C" if external else "AB"[(index // 2) % 2],
            split="external" if external else "train",
            targets={"recurrence": RECURRENCE.classes[progression]},
        )
        volumes, label = make_head(rng, uptake=(3.0 if progression else 1.5) if signal else 2.0)
        for channel, volume in enumerate(volumes):
            if not (channel == 0 and missing_every and index % missing_every == missing_every - 1):
                save_nifti(volume, folder / "imagesTr" / channel_file_name(case.case_id, channel, description))
        save_nifti(label, folder / "labelsTr" / f"{case.case_id}.nii.gz")
        cases.append(case)
    save_dataset_description(description, folder / "dataset.json", num_training=num_subjects)
    save_cases(cases, folder / "cases.tsv", description)
    return load_raw_dataset(folder)
