"""Small dynamic PET cases whose kinetics are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from builders import RECURRENCE, make_affine, make_head, save_nifti
from glioframe.artifacts.cases import Case, save_cases
from glioframe.artifacts.dataset import Channel, DatasetDescription, save_dataset_description
from glioframe.artifacts.pet_sidecar import PetSidecar, save_pet_sidecar, sidecar_path
from glioframe.artifacts.raw_dataset import RawDataset, channel_file_name, load_raw_dataset
from glioframe.core.geometry import Geometry
from glioframe.core.modality import Modality, Tracer, Unit
from glioframe.imaging.series import Series, write_series
from glioframe.imaging.volume import affine_from_array
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.input_function import population_input
from glioframe.pet.tissue_tables import FDOPA_TISSUES
from glioframe.pet.two_tissue import two_tissue_frames

PROTOCOL = "fdopa_girard_20min"
SCHEDULE = FrameSchedule.from_pattern("8x15,2x30,2x60,3x300")
DYNAMIC = Channel(name="fdopa", modality=Modality.PET_DYNAMIC, tracer=Tracer.FDOPA, unit=Unit.SUV_BW)
CHANNELS = (Channel(name="t1c", modality=Modality.T1C), DYNAMIC)
LESIONS = {False: "treatment_related_change", True: "idh_wildtype_bulk"}


def tissue_curve(name: str, schedule: FrameSchedule = SCHEDULE) -> np.ndarray:
    blood = population_input(Tracer.FDOPA, end_s=schedule.end_s[-1])
    return two_tissue_frames(FDOPA_TISSUES[name], blood, schedule)


def make_series(brain, lesion, *, tissue, rng, noise=0.01, schedule=SCHEDULE) -> np.ndarray:
    """Frames (t, z, y, x): reference tissue, the lesion, and two carotids of pure blood at the bottom of the brain."""
    blood = population_input(Tracer.FDOPA, end_s=schedule.end_s[-1]).whole_blood_frames(schedule)
    series = brain * tissue_curve("reference", schedule)[:, None, None, None]
    series = np.where(lesion, tissue_curve(tissue, schedule)[:, None, None, None], series)
    low = np.flatnonzero(brain.any(axis=(1, 2)))[0]
    ny, nx = brain.shape[1:]
    for x in (nx // 2 - 4, nx // 2 + 3):
        series[:, low : low + 8, ny // 2 - 2 : ny // 2, x : x + 2] = blood[:, None, None, None]
    series *= 1 + noise * rng.standard_normal(series.shape)
    return (series * brain).astype(np.float32)


def make_sidecar(schedule: FrameSchedule = SCHEDULE) -> PetSidecar:
    return PetSidecar(
        tracer=Tracer.FDOPA,
        tracer_name="FDOPA",
        radionuclide="F18",
        units=Unit.SUV_BW,
        frame_start_s=schedule.start_s,
        frame_duration_s=schedule.duration_s,
        injected_activity_bq=2e8,
        body_weight_kg=80.0,
    )


def make_dynamic_dataset(
    folder: Path, *, num_subjects: int = 6, protocol: str = PROTOCOL, dose: float = 1.0
) -> RawDataset:
    """T1c and a dynamic FDOPA of Girard's 20 min; progression peaks early."""
    description = DatasetDescription(name=folder.name, channels=CHANNELS, targets=(RECURRENCE,), protocol=protocol)
    cases = []
    for index in range(num_subjects):
        rng = np.random.default_rng([7, index])
        progression = bool(index % 2)
        case = Case(
            case_id=f"case{index:03d}",
            subject_id=f"sub{index:03d}",
            session_id="1",
            site="A",
            targets={"recurrence": RECURRENCE.classes[progression]},
        )
        (t1c, _), label = make_head(rng)
        series = make_series(t1c != 0, label > 0, tissue=LESIONS[progression], rng=rng) * np.float32(dose)
        images = folder / "imagesTr"
        save_nifti(t1c, images / channel_file_name(case.case_id, 0, description))
        path = images / channel_file_name(case.case_id, 1, description)
        geometry = Geometry(shape_vox=t1c.shape, affine=affine_from_array(make_affine()))
        write_series(Series(series, geometry), path)
        save_pet_sidecar(make_sidecar(), sidecar_path(path))
        save_nifti(label, folder / "labelsTr" / f"{case.case_id}.nii.gz")
        cases.append(case)
    save_dataset_description(description, folder / "dataset.json", num_training=num_subjects)
    save_cases(cases, folder / "cases.tsv", description)
    return load_raw_dataset(folder)
