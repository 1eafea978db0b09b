"""Dynamic PET of the phantom: tissue curves before the scanner, the scanner, and the files of a cohort."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from glioframe.artifacts.pet_sidecar import load_pet_sidecar
from glioframe.core.modality import Modality, Tracer, Unit
from glioframe.imaging.series import read_series
from glioframe.imaging.volume import read_label, read_volume
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.image_derived_input import find_vessels
from glioframe.simulation.dynamic_case import TISSUE_LABELS, simulate_dynamic_case
from glioframe.simulation.dynamic_cohort import simulate_dynamic_cohort
from glioframe.simulation.dynamic_pet import Motion, sample_motion, scan_dynamic_pet
from glioframe.simulation.dynamic_roster import draw_dynamic_roster
from glioframe.simulation.foci import place_foci
from glioframe.simulation.grid import Grid
from glioframe.simulation.physiology import Variation, build_physiology
from glioframe.simulation.questions import RECURRENCE
from glioframe.simulation.settings import PRESETS, CohortSettings
from glioframe.simulation.sites import DynamicScanner
from glioframe.simulation.template import load_template
from glioframe.simulation.tissues import Tissue
from glioframe.simulation.tumor_kinetics import tumor_at
from pet_curves import find_row

GRID = Grid(spacing_mm=4.0)
SCHEDULES = {
    Tracer.FDOPA: FrameSchedule.from_pattern("30x60"),
    Tracer.FET: FrameSchedule.from_pattern("5x60,5x180,6x300"),
}
WINDOWS_S = {Tracer.FDOPA: (600, 1800), Tracer.FET: (1200, 2400)}
PERFECT = DynamicScanner(frame_patterns={}, blur_mm=0.0, noise=0.0, motion_rate=0.0)
STILL = Motion(first_frame=99)
SMALL = CohortSettings(num_cases=4, num_external=2, spacing_mm=7.0, missing_rate=0.5)
TRACERS = pytest.mark.parametrize("tracer", [Tracer.FDOPA, Tracer.FET])


@pytest.fixture(scope="module")
def template():
    return load_template(blur_mm=GRID.spacing_mm)


@pytest.fixture(scope="module")
def cases(template):
    patients = draw_dynamic_roster(CohortSettings(num_cases=16, num_external=0, seed=3))
    return [(patient, simulate_dynamic_case(patient, template, GRID, Tracer.FDOPA)) for patient in patients]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return simulate_dynamic_cohort(SMALL, tmp_path_factory.mktemp("raw") / "Dataset001_Small")


def average_patient(case, tracer, *, has_decoy=True):
    """The case's anatomy with the tables' own kinetics: no variation between or within patients."""
    tumor = replace(tumor_at(RECURRENCE, tracer, RECURRENCE.log_centers(tracer)[1]), texture=0.0)
    rng = np.random.default_rng(0)
    foci = place_foci(GRID, case.lesion, rng, has_decoy=has_decoy)
    return foci, build_physiology(case.anatomy, case.lesion, foci, tracer, Variation(tumor=tumor), rng)


def scan(physiology, case, scanner=PERFECT, motion=STILL, seed=0, schedule=None):
    schedule = schedule or SCHEDULES[physiology.tracer]
    rng, brain = np.random.default_rng(seed), case.anatomy.brain
    return scan_dynamic_pet(physiology, schedule, scanner, motion, grid=GRID, brain=brain, rng=rng)


def peak_min(curves, schedule):
    mid_min = np.array(schedule.mid_s) / 60
    return mid_min[mid_min > 2][curves[mid_min > 2].argmax(axis=0)]


def static_mean(series, schedule, window_s):
    seconds = schedule.frames_within(*window_s)
    return np.tensordot(seconds / seconds.sum(), series, 1)


def file_hashes(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read_table(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@TRACERS
def test_without_blur_and_noise_every_pure_voxel_has_the_uptake_and_peak_of_the_table(tracer, cases):
    case = cases[0][1]
    foci, physiology = average_patient(case, tracer)
    schedule = SCHEDULES[tracer]
    series = scan(physiology, case)
    uptake = static_mean(series, schedule, WINDOWS_S[tracer])
    column = 0 if tracer is Tracer.FDOPA else 1
    fractions, tumor = physiology.fractions, physiology.fractions[Tissue.TUMOR] > 0.999
    pure = {
        "white matter": fractions[Tissue.WHITE_MATTER] > 0.999,
        "striatum": fractions[Tissue.STRIATUM] > 0.999,
        "progression": tumor & (foci.hot_spot == 0) & (foci.decoy == 0),
        "hot spot": tumor & (foci.hot_spot > 0.999),
        "decoy": tumor & (foci.decoy > 0.999),
    }
    for name, mask in pure.items():
        row = find_row(tracer.value, name)
        assert mask.sum() > 2, name
        assert np.allclose(uptake[mask], row.suv, atol=0.012), name
        assert np.allclose(peak_min(series[:, mask], schedule), row.time_to_peak_min[column], atol=0.051), name
    # The cortex is thinner than these voxels: its uptake is what it adds to mixtures.
    normal = np.stack([fractions[tissue] for tissue in (Tissue.GRAY_MATTER, Tissue.WHITE_MATTER, Tissue.FLUID)])
    mixed = normal.sum(axis=0) > 0.999
    gray_suv, *_ = np.linalg.lstsq(normal[:, mixed].T, uptake[mixed], rcond=None)[0]
    assert gray_suv == pytest.approx(find_row(tracer.value, "gray matter").suv, abs=0.012)


@TRACERS
def test_the_maximum_of_the_uptake_lies_in_the_decoy_and_the_earliest_peak_in_the_hot_spot(tracer, cases):
    for _, case in cases[:6]:
        foci, physiology = average_patient(case, tracer)
        lesion = case.lesion.rim > 0.9
        uptake = static_mean(scan(physiology, case), SCHEDULES[tracer], WINDOWS_S[tracer])
        time_to_peak = physiology.kinetic_maps(SCHEDULES[tracer].end_s[-1])["time_to_peak_min"]
        assert foci.decoy.flat[np.where(lesion, uptake, 0).argmax()] > 0.9
        assert foci.hot_spot.flat[np.where(lesion, time_to_peak, 99).argmin()] > 0.5


def test_foci_lie_in_the_living_tumor_apart_from_each_other_and_have_some_volume(cases):
    for patient, case in cases:
        hot_spot, decoy = case.foci.hot_spot_mask, case.foci.decoy_mask
        assert not (hot_spot & decoy).any()
        assert not ((hot_spot | decoy) & ~ndimage.binary_dilation(case.lesion.mask)).any()
        assert 0.5 < hot_spot.sum() * GRID.voxel_ml < 6.0
        assert decoy.any() == patient.has_decoy


def test_after_the_scanner_the_decoy_still_takes_up_most_in_most_tumors(cases):
    wins = []
    for patient, case in cases:
        if patient.has_decoy:
            uptake = static_mean(case.pet_suv, patient.schedule, (600, 1800))
            wins.append(uptake[case.foci.decoy_mask].mean() > uptake[case.foci.hot_spot_mask].mean())
    assert len(wins) == 8
    assert np.mean(wins) >= 0.75


def test_mri_alone_does_not_find_the_hot_spot(cases):
    aucs = {"t1c": [], "flair": [], "early uptake": []}
    for patient, case in cases:
        lesion = case.lesion.rim > 0.9
        is_hot = case.foci.hot_spot_mask[lesion]
        early = static_mean(case.pet_suv, patient.schedule, (120, 360))
        for name, image in (("t1c", case.t1c), ("flair", case.flair), ("early uptake", early)):
            aucs[name].append(roc_auc_score(is_hot, image[lesion]))
    assert np.mean(aucs["t1c"]) == pytest.approx(0.5, abs=0.08)
    assert np.mean(aucs["flair"]) == pytest.approx(0.5, abs=0.08)
    assert np.mean(aucs["early uptake"]) > 0.8


def test_twice_the_plasma_gives_twice_the_image(cases):
    physiology = cases[0][1].physiology
    once, twice = (next(replace(physiology, input_scale=scale).frames(SCHEDULES[Tracer.FDOPA])) for scale in (1.0, 2.0))
    assert np.allclose(twice, 2 * once, rtol=1e-5)


def test_the_noise_is_as_large_as_stated_and_grows_as_frames_shorten(cases):
    case = cases[0][1]
    _, physiology = average_patient(case, Tracer.FDOPA)
    scanner = replace(PERFECT, noise=0.2)
    white = case.anatomy.fractions[Tissue.WHITE_MATTER] * (case.lesion.rim == 0) > 0.99
    noise = {}
    for name, pattern in (("minute", "29x60,1x60"), ("quarter", "29x60,4x15")):
        schedule = FrameSchedule.from_pattern(pattern)
        perfect, noisy = scan(physiology, case, schedule=schedule), scan(physiology, case, scanner, schedule=schedule)
        noise[name] = np.std((noisy - perfect)[-1][white])
    # White matter has SUV 0.65 at the end where the reference has 0.93: counts go with the signal.
    assert noise["minute"] == pytest.approx(0.2 * 0.93 * np.sqrt(0.65 / 0.93), rel=0.12)
    assert noise["quarter"] == pytest.approx(2 * noise["minute"], rel=0.12)


def test_noise_is_correlated_between_neighbors_at_fine_voxels(template):
    grid = Grid(spacing_mm=2.0)
    patient = draw_dynamic_roster(CohortSettings(num_cases=4, num_external=0))[0]
    patient = replace(patient, schedule=FrameSchedule.from_pattern("1x600,1x60"))
    case = simulate_dynamic_case(patient, load_template(blur_mm=2.0), grid, Tracer.FDOPA)
    frame = case.pet_suv[1]
    rest = (frame - ndimage.gaussian_filter(frame, 3))[case.anatomy.brain.nonzero()[0].mean().astype(int)]
    neighbors = np.corrcoef(rest[40:60, 20:60].ravel(), rest[40:60, 21:61].ravel())[0, 1]
    assert neighbors > 0.3


def test_a_step_of_the_head_moves_the_later_frames_only(cases):
    case = cases[0][1]
    _, physiology = average_patient(case, Tracer.FDOPA)
    motion = Motion(first_frame=20, shift_mm=(4.0, 0.0, 0.0))
    still, moved = scan(physiology, case), scan(physiology, case, motion=motion)
    assert np.array_equal(still[:20], moved[:20])
    inner = ndimage.binary_erosion(case.anatomy.brain, iterations=2)
    inner[0], inner[-1] = False, False
    shifted = np.roll(still, 1, axis=1)
    assert np.allclose(moved[20:, inner], shifted[20:, inner], atol=1e-4)


def test_heads_move_in_the_middle_of_the_scan_by_no_more_than_stated():
    schedule = SCHEDULES[Tracer.FDOPA]
    motions = [sample_motion(schedule, 0.5, np.random.default_rng(seed)) for seed in range(400)]
    moving = [motion for motion in motions if motion.first_frame < schedule.num_frames]
    assert len(moving) == pytest.approx(200, abs=40)
    assert all(10 <= motion.first_frame <= 20 for motion in moving)
    assert 2.5 < max(np.linalg.norm(motion.shift_mm) for motion in moving) <= 3
    assert 1.7 < max(np.linalg.norm(motion.turn_deg) for motion in moving) <= 2


def test_kinetic_maps_hold_the_tables_constants_in_pure_voxels(cases):
    case = cases[0][1]
    foci, physiology = average_patient(case, Tracer.FET)
    maps = physiology.kinetic_maps(SCHEDULES[Tracer.FET].end_s[-1])
    tumor = physiology.fractions[Tissue.TUMOR] > 0.999
    for name, mask in (
        ("hot spot", tumor & (foci.hot_spot > 0.999)),
        ("white matter", physiology.fractions[Tissue.WHITE_MATTER] > 0.999),
    ):
        assert mask.any()
        row = find_row("fet", name)
        assert np.allclose(maps["k1_ml_cm3_min"][mask], row.K1, rtol=1e-3)
        assert np.allclose(maps["k2_per_min"][mask], row.k2, rtol=2e-3)
        assert np.allclose(maps["vt_ml_cm3"][mask], row.K1 / row.k2 * (1 + row.k3 / row.k4), rtol=2e-3)
    assert not any(values[~case.anatomy.brain].any() for values in maps.values())


@TRACERS
def test_the_sinus_holds_blood_outside_the_brain_and_is_found_as_the_hottest_vessel(tracer, cases):
    case = cases[0][1]
    _, physiology = average_patient(case, tracer)
    schedule = SCHEDULES[tracer]
    assert 3 < physiology.blood.sum() * GRID.voxel_ml < 30
    assert not physiology.blood[case.anatomy.brain].any()
    series = scan(physiology, case)
    vessels = find_vessels(series, schedule, num_voxels=10)
    assert (physiology.blood[vessels] > 0.9).all()
    whole_blood = physiology.input_until(schedule.end_s[-1]).whole_blood_frames(schedule)
    assert np.allclose(series[:, physiology.blood > 0.999], whole_blood[:, None], rtol=1e-3)


def test_same_seed_gives_the_same_bytes(cohort, tmp_path):
    simulate_dynamic_cohort(SMALL, tmp_path / "Dataset001_Small")
    assert file_hashes(tmp_path / "Dataset001_Small") == file_hashes(cohort.folder)


def test_a_longer_cohort_starts_with_the_same_images(cohort, tmp_path):
    longer = simulate_dynamic_cohort(replace(SMALL, num_cases=5), tmp_path / "Dataset001_Small")
    for path in (*cohort.folder.glob("imagesTr/*"), *cohort.folder.glob("*/maps/*")):
        assert (longer.folder / path.relative_to(cohort.folder)).read_bytes() == path.read_bytes()


def test_the_presets_are_dynamic():
    assert {settings.kind for settings in PRESETS.values()} == {"dynamic"}


def test_files_are_what_the_description_and_the_sidecars_declare(cohort):
    pet = cohort.description.channels[2]
    assert (pet.modality, pet.tracer, pet.unit) == (Modality.PET_DYNAMIC, Tracer.FDOPA, Unit.BQ_ML)
    assert cohort.description.protocol == "fdopa_nancy_30x60"
    flair_present = [cohort.files(case.case_id).channels_present[1] for case in cohort.training_cases]
    assert sum(flair_present) == 2
    for case in cohort.cases:
        path = cohort.files(case.case_id).channels[2]
        sidecar = load_pet_sidecar(path.with_name(path.name.replace(".nii.gz", ".json")))
        schedule = FrameSchedule(sidecar.frame_start_s, sidecar.frame_duration_s)
        schedule.check(str(path))
        series = read_series(path)
        assert series.array.shape[0] == schedule.num_frames
        assert series.geometry == read_volume(cohort.files(case.case_id).channels[0]).geometry
        assert (sidecar.tracer, sidecar.units, sidecar.decay_reference) == (Tracer.FDOPA, Unit.BQ_ML, "injection")
        assert sidecar.injected_activity_bq == case.injected_activity_bq
        assert sidecar.body_weight_kg == case.weight_kg
        suv = series.array / (case.injected_activity_bq / (case.weight_kg * 1000))
        brain = read_label(cohort.folder / "truth" / "maps" / f"{case.case_id}_tissue.nii.gz").array > 0
        assert 0.4 < np.median(static_mean(suv, schedule, (600, 1800))[brain]) < 1.6


def test_truth_lies_apart_and_states_the_planted_auc_and_each_lesion(cohort):
    truth = cohort.folder / "truth"
    (planted,) = read_table(truth / "bayes_auc.tsv")
    assert planted["target"] == "recurrence"
    assert float(planted["bayes_auc"]) == pytest.approx(RECURRENCE.bayes_auc(Tracer.FDOPA, "recurrence"), abs=1e-5)
    assert json.loads((truth / "tissues.json").read_text()) == TISSUE_LABELS
    rows = {row["case_id"]: row for row in read_table(truth / "cases.tsv")}
    assert {name: row["true_class"] for name, row in rows.items()} == {
        case.case_id: case.targets["recurrence"] for case in cohort.cases
    }
    training = [row for name, row in rows.items() if name.startswith("sim")]
    assert sum(row["has_decoy"] == "yes" for row in training) == len(training) / 2
    for name, row in rows.items():
        assert (row["decoy_k1_ml_cm3_min"] != "") == (row["has_decoy"] == "yes")
        tissue = read_label(truth / "maps" / f"{name}_tissue.nii.gz").array
        decoy = read_label(truth / "maps" / f"{name}_decoy.nii.gz").array
        assert decoy.any() == (row["has_decoy"] == "yes")
        assert (tissue == TISSUE_LABELS["hot_spot"]).any()
        assert (read_volume(truth / "maps" / f"{name}_k1_ml_cm3_min.nii.gz").array[tissue > 0] > 0).all()


def test_another_tracer_question_and_schedule_make_another_cohort(tmp_path):
    settings = replace(SMALL, tracer="fet", question="molecular", schedule="10x60,10x120", num_external=0)
    dataset = simulate_dynamic_cohort(settings, tmp_path / "Dataset002_Fet")
    assert [target.name for target in dataset.description.targets] == ["idh", "codel_1p19q", "tert"]
    assert dataset.description.channels[2].name == "fet"
    # 30 min do not cover the static window of FET.
    assert dataset.description.protocol == ""
    assert read_series(dataset.files("sim001").channels[2]).array.shape[0] == 20
