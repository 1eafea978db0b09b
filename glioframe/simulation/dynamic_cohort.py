"""Writes a dynamic cohort as a raw dataset, with the truth beside the images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from glioframe.artifacts.cases import save_cases
from glioframe.artifacts.dataset import Channel, DatasetDescription, save_dataset_description
from glioframe.artifacts.pet_sidecar import sidecar_path
from glioframe.artifacts.raw_dataset import RawDataset, channel_file_name, load_raw_dataset
from glioframe.core.files import write_text_atomically
from glioframe.core.modality import Modality, Tracer, Unit
from glioframe.core.presets import preset_names
from glioframe.core.progress import Progress, SilentProgress
from glioframe.imaging.series import Series, write_series
from glioframe.imaging.volume import Volume, write_volume
from glioframe.pet.protocol import find_protocol
from glioframe.simulation.dynamic_case import TISSUE_LABELS, DynamicCase, simulate_dynamic_case
from glioframe.simulation.dynamic_roster import DynamicPatient, draw_dynamic_roster
from glioframe.simulation.grid import Grid
from glioframe.simulation.output import folder_when_complete, write_table
from glioframe.simulation.questions import QUESTIONS, Question
from glioframe.simulation.sidecar import write_sidecar
from glioframe.simulation.template import load_template

if TYPE_CHECKING:
    from pathlib import Path

    from glioframe.simulation.settings import CohortSettings

_PROTOCOLS = {Tracer.FDOPA: "fdopa_nancy_30x60", Tracer.FET: "fet_lmu_40min"}
_GRAMS_PER_KG = 1000.0
# Scanners store integers; these keep the files small and the values honest.
_MRI_DECIMALS = 3
_ACTIVITY_DECIMALS = 0
_MAP_DECIMALS = 4


def simulate_dynamic_cohort(settings: CohortSettings, folder: Path, *, progress: Progress | None = None) -> RawDataset:
    """Makes the cohort in ``folder`` (``.../Dataset001_Name``), which appears when it is complete.

    ``truth`` in it holds what no scanner shows: where hot spot and decoy are, the kinetics of every voxel, and how
    well the classes could be told at best.
    """
    progress = progress or SilentProgress()
    tracer, question = Tracer(settings.tracer), QUESTIONS[settings.question]
    patients = draw_dynamic_roster(settings)
    description = _description(settings, folder.name, patients)
    grid = Grid(spacing_mm=settings.spacing_mm)
    template = load_template(blur_mm=grid.spacing_mm)
    # One thread: products of small matrices take longer on several.
    with folder_when_complete(folder) as unfinished, threadpool_limits(limits=1):
        for patient in progress.track(patients, step="Simulating cases", total=len(patients)):
            case = simulate_dynamic_case(patient, template, grid, tracer)
            _write_images(case, patient, description, unfinished)
            _write_truth_maps(case, patient, unfinished / "truth" / "maps")
        save_cases([patient.case for patient in patients], unfinished / "cases.tsv", description)
        save_dataset_description(description, unfinished / "dataset.json", num_training=settings.num_cases)
        _write_truth_tables(patients, question, tracer, unfinished / "truth")
    return load_raw_dataset(folder)


def _description(settings: CohortSettings, name: str, patients: list[DynamicPatient]) -> DatasetDescription:
    tracer, question = Tracer(settings.tracer), QUESTIONS[settings.question]
    labels = "The classes are noise, drawn without looking at the images. " if settings.noise_labels else ""
    return DatasetDescription(
        name=name,
        channels=(
            Channel(name="t1c", modality=Modality.T1C),
            Channel(name="flair", modality=Modality.T2F),
            Channel(name=tracer.value, modality=Modality.PET_DYNAMIC, tracer=tracer, unit=Unit.BQ_ML),
        ),
        targets=question.targets,
        protocol=_protocol_name(settings, patients),
        description=(
            f"Simulated digital phantom: {settings.num_cases} training and {settings.num_external} external cases, "
            f"dynamic {tracer.value.upper()} PET, seed {settings.seed}. {labels}No patient is in it; results on it say "
            "nothing about patients. Its kinetics are calibrated to published times to peak and uptake ratios, not "
            "measured."
        ),
    )


def _protocol_name(settings: CohortSettings, patients: list[DynamicPatient]) -> str:
    """The protocol asked for, or the tracer's if every schedule covers its static window; else none."""
    if settings.schedule in preset_names("protocols"):
        return settings.schedule
    name = _PROTOCOLS[Tracer(settings.tracer)]
    window_s = find_protocol(name).static_window_s
    return name if all(patient.schedule.covers(*window_s) for patient in patients) else ""


def _write_images(case: DynamicCase, patient: DynamicPatient, description: DatasetDescription, folder: Path) -> None:
    geometry = case.anatomy.grid.geometry
    case_id = patient.case.case_id
    paths = [
        folder / "imagesTr" / channel_file_name(case_id, index, description)
        for index in range(description.num_channels)
    ]
    write_volume(Volume(array=case.t1c.round(_MRI_DECIMALS), geometry=geometry), paths[0])
    if patient.place.has_flair:
        write_volume(Volume(array=case.flair.round(_MRI_DECIMALS), geometry=geometry), paths[1])
    _write_pet(case, patient, Tracer(description.channels[2].name), paths[2])
    label = Volume(array=case.lesion.mask.astype(np.int16), geometry=geometry)
    write_volume(label, folder / "labelsTr" / f"{case_id}{description.file_ending}")


def _write_pet(case: DynamicCase, patient: DynamicPatient, tracer: Tracer, path: Path) -> None:
    """Writes activity per volume, decay-corrected to injection, and the sidecar beside it."""
    activity_bq, weight_kg = patient.case.injected_activity_bq, patient.case.weight_kg
    assert activity_bq is not None, "every simulated patient has a dose"
    assert weight_kg is not None, "every simulated patient has a weight"
    frames = case.pet_suv * np.float32(activity_bq / (weight_kg * _GRAMS_PER_KG))
    frames.round(_ACTIVITY_DECIMALS, out=frames)
    write_series(Series(array=frames, geometry=case.anatomy.grid.geometry), path)
    sidecar, site = sidecar_path(path), patient.place.site
    write_sidecar(sidecar, patient.schedule, tracer, site, activity_bq=activity_bq, weight_kg=weight_kg)


def _write_truth_maps(case: DynamicCase, patient: DynamicPatient, folder: Path) -> None:
    brain, geometry = case.anatomy.brain, case.anatomy.grid.geometry
    maps: dict[str, np.ndarray] = {
        "tissue": case.tissue_map,
        "hot_spot": case.foci.hot_spot_mask,
        "decoy": case.foci.decoy_mask,
    }
    for name, values in case.physiology.kinetic_maps(patient.schedule.end_s[-1]).items():
        maps[name] = np.where(brain, values, 0).round(_MAP_DECIMALS)
    for name, array in maps.items():
        write_volume(Volume(array=array, geometry=geometry), folder / f"{patient.case.case_id}_{name}.nii.gz")


def _write_truth_tables(patients: list[DynamicPatient], question: Question, tracer: Tracer, folder: Path) -> None:
    write_text_atomically(folder / "tissues.json", json.dumps(TISSUE_LABELS, indent=2) + "\n")
    rows: list[list[str | float]] = [
        [target.name, target.classes[-1], question.bayes_auc(tracer, target.name)] for target in question.targets
    ]
    write_table(["target", "positive_class", "bayes_auc"], rows, folder / "bayes_auc.tsv")
    truths = [_truth(patient, question, tracer) for patient in patients]
    columns = list(dict.fromkeys(column for truth in truths for column in truth))
    cells = [[truth.get(column, "") for column in columns] for truth in truths]
    write_table(columns, cells, folder / "cases.tsv")


def _truth(patient: DynamicPatient, question: Question, tracer: Tracer) -> dict[str, str | float]:
    """One patient's row, by column."""
    variation, lesion, motion = patient.variation, patient.lesion, patient.motion
    moved = motion.first_frame < patient.schedule.num_frames
    truth: dict[str, str | float] = {
        "case_id": patient.case.case_id,
        "true_class": patient.place.true_class,
        "has_decoy": "yes" if patient.has_decoy else "no",
        "input_scale": variation.input_scale,
        "volume_ml": lesion.volume_ml,
        "necrosis_fraction": lesion.necrosis_fraction,
        "enhancement": lesion.enhancement,
        "motion_first_frame": str(motion.first_frame) if moved else "",
    }
    truth |= {f"motion_shift_{axis}_mm": shift for axis, shift in zip("zyx", motion.shift_mm, strict=True)}
    truth |= {f"motion_turn_{axis}_deg": turn for axis, turn in zip("zyx", motion.turn_deg, strict=True)}
    for part in ("bulk", "hot_spot", *(["decoy"] if patient.has_decoy else [])):
        tissue = getattr(variation.tumor, part)
        truth |= {f"{part}_k1_ml_cm3_min": tissue.k1_ml_cm3_min, f"{part}_k2_per_min": tissue.k2_per_min}
    log_k1_k2 = np.array([variation.tumor.log_k1_k2])
    for target in question.targets:
        truth[f"bayes_score_{target.name}"] = float(question.bayes_score(tracer, target.name, log_k1_k2)[0])
    return truth
