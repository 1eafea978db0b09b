"""Writes a simulated cohort as a raw dataset, with the truth beside the images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from glioframe.artifacts.cases import save_cases
from glioframe.artifacts.dataset import Channel, DatasetDescription, Target, save_dataset_description
from glioframe.artifacts.raw_dataset import RawDataset, channel_file_name, load_raw_dataset
from glioframe.core.modality import Modality, Tracer, Unit
from glioframe.core.progress import Progress, SilentProgress
from glioframe.imaging.volume import Volume, write_volume
from glioframe.simulation.case import SimulatedCase, simulate_case
from glioframe.simulation.crescent import crescent_mixture
from glioframe.simulation.grid import Grid
from glioframe.simulation.output import folder_when_complete, write_table
from glioframe.simulation.roster import TARGET, Patient, draw_roster
from glioframe.simulation.template import load_template
from glioframe.simulation.tissues import NORMAL_SUV
from glioframe.simulation.traits import CLASSES

if TYPE_CHECKING:
    from pathlib import Path

    from glioframe.simulation.settings import CohortSettings

CHANNELS = (
    Channel(name="t1c", modality=Modality.T1C),
    Channel(name="flair", modality=Modality.T2F),
    Channel(name="fdopa", modality=Modality.PET_STATIC, tracer=Tracer.FDOPA, unit=Unit.SUV_BW),
)
# Scanners store integers; three decimals keep the files small and the values honest.
_DECIMALS = 3


def simulate_cohort(settings: CohortSettings, folder: Path, *, progress: Progress | None = None) -> RawDataset:
    """Makes the cohort in ``folder`` (``.../Dataset001_Name``), which appears when it is complete.

    ``truth/cases.tsv`` in it holds what no scanner shows: each lesion's true class and traits.
    """
    progress = progress or SilentProgress()
    description = _description(settings, folder.name)
    grid = Grid(spacing_mm=settings.spacing_mm)
    template = load_template(blur_mm=grid.spacing_mm)
    patients = draw_roster(settings)
    crescents_suv: list[float] = []
    # One thread: products of small matrices take longer on several.
    with folder_when_complete(folder) as unfinished, threadpool_limits(limits=1):
        for patient in progress.track(patients, step="Simulating cases", total=len(patients)):
            case = simulate_case(patient, template, grid)
            _write_case(case, patient, description, unfinished)
            crescents_suv.append(_crescent_suv(case, patient))
        save_cases([patient.case for patient in patients], unfinished / "cases.tsv", description)
        save_dataset_description(description, unfinished / "dataset.json", num_training=settings.num_cases)
        _write_truth(patients, crescents_suv, unfinished / "truth" / "cases.tsv")
    return load_raw_dataset(folder)


def _description(settings: CohortSettings, name: str) -> DatasetDescription:
    labels = "The classes are noise, drawn without looking at the images. " if settings.noise_labels else ""
    return DatasetDescription(
        name=name,
        channels=CHANNELS,
        targets=(Target(name=TARGET, classes=CLASSES),),
        description=(
            f"Simulated digital phantom: {settings.num_cases} training and {settings.num_external} external cases, "
            f"seed {settings.seed}. {labels}No patient is in it; results on it say nothing about patients."
        ),
    )


def _write_case(case: SimulatedCase, patient: Patient, description: DatasetDescription, folder: Path) -> None:
    geometry = case.anatomy.grid.geometry
    case_id = patient.case.case_id
    images = (case.t1c, case.flair if patient.has_flair else None, case.fdopa)
    for index, image in enumerate(images):
        if image is not None:
            volume = Volume(array=image.round(_DECIMALS), geometry=geometry)
            write_volume(volume, folder / "imagesTr" / channel_file_name(case_id, index, description))
    label = Volume(array=case.lesion.mask.astype(np.int16), geometry=geometry)
    write_volume(label, folder / "labelsTr" / f"{case_id}{description.file_ending}")


def _crescent_suv(case: SimulatedCase, patient: Patient) -> float:
    """What a perfect scanner would show in the reference region."""
    mixture = crescent_mixture(case.anatomy, case.lesion.mask)
    suv = sum(fraction * NORMAL_SUV[tissue] for tissue, fraction in mixture.items())
    return patient.traits.uptake_factor * suv


def _write_truth(patients: list[Patient], crescents_suv: list[float], path: Path) -> None:
    traits = ("tbr", "texture", "volume_ml", "necrosis_fraction", "edema_width_mm", "enhancement")
    columns = ["case_id", "true_class", *(f"lesion_{name}" for name in traits), "uptake_factor"]
    columns += ["crescent_suv", "lesion_tbr_over_crescent"]
    rows: list[list[str | float]] = [
        [
            patient.case.case_id,
            patient.true_class,
            *(float(getattr(patient.lesion, name)) for name in traits),
            patient.traits.uptake_factor,
            crescent_suv,
            patient.traits.uptake_factor * patient.lesion.suv / crescent_suv,
        ]
        for patient, crescent_suv in zip(patients, crescents_suv, strict=True)
    ]
    write_table(columns, rows, path)
