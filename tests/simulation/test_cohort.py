"""The simulated cohort: what a case shows, what it hides, and that it is the same every time."""

from __future__ import annotations

import csv
import hashlib
import math
import socket

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from glioframe.core.errors import SettingError
from glioframe.core.seeds import derive_seed
from glioframe.imaging.volume import read_label, read_volume
from glioframe.pet.reference_region import find_reference_region
from glioframe.simulation.case import simulate_case
from glioframe.simulation.cohort import simulate_cohort
from glioframe.simulation.fields import smooth_field
from glioframe.simulation.grid import Grid
from glioframe.simulation.pet import scan_pet, uptake_suv
from glioframe.simulation.roster import draw_roster
from glioframe.simulation.settings import CohortSettings
from glioframe.simulation.sites import TRAINING_SITES
from glioframe.simulation.template import load_template
from glioframe.simulation.tissues import NORMAL_SUV, REFERENCE_SUV, Tissue
from glioframe.simulation.traits import CLASSES, sample_lesion

GRID = Grid(spacing_mm=6.0)
SMALL = CohortSettings(kind="static", num_cases=4, num_external=2, spacing_mm=8.0, missing_rate=0.5)


@pytest.fixture(scope="module")
def template():
    return load_template(blur_mm=GRID.spacing_mm)


@pytest.fixture(scope="module")
def coarse_cases(template):
    patients = draw_roster(CohortSettings(kind="static", num_cases=60, num_external=0, seed=7))
    return [(patient, simulate_case(patient, template, GRID)) for patient in patients]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return simulate_cohort(SMALL, tmp_path_factory.mktemp("raw") / "Dataset001_Small")


def file_hashes(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def mean_inside(volume, mask):
    return float(volume[mask].mean())


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(cohort, tmp_path):
    simulate_cohort(SMALL, tmp_path / "Dataset001_Small")
    assert file_hashes(tmp_path / "Dataset001_Small") == file_hashes(cohort.folder)
    other = CohortSettings(kind="static", num_cases=4, num_external=0, spacing_mm=8.0, seed=5)
    simulate_cohort(other, tmp_path / "Dataset002_Other")
    mine, theirs = file_hashes(cohort.folder), file_hashes(tmp_path / "Dataset002_Other")
    images = [name for name in mine if name.startswith("imagesTr") and name in theirs]
    assert images
    assert all(mine[name] != theirs[name] for name in images)


def test_simulation_needs_no_network(tmp_path, monkeypatch):
    def refuse(*_):
        pytest.fail("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_template(blur_mm=8.0).brain.max() == pytest.approx(1.0)
    assert not list(tmp_path.iterdir())


def test_files_on_disk_are_what_the_description_declares(cohort):
    assert cohort.description.description.startswith("Simulated digital phantom")
    assert [case.site for case in cohort.external_cases] == ["C", "C"]
    assert {case.site for case in cohort.training_cases} == {"A", "B"}
    for case in cohort.cases:
        files = cohort.files(case.case_id)
        assert files.channels_present[0]
        assert files.channels_present[2]
        assert set(np.unique(read_label(files.label).array)) == {0, 1}
        geometries = {read_volume(path).geometry for path in files.channels if path}
        assert len(geometries) == 1
        assert case.weight_kg > 0
        assert case.injected_activity_bq / case.weight_kg == pytest.approx(2.5e6, rel=0.4)


def test_half_of_the_cases_lack_their_flair_at_a_missing_rate_of_one_half(cohort):
    present = [cohort.files(case.case_id).channels_present[1] for case in cohort.training_cases]
    assert sum(present) == 2


def test_truth_lies_outside_the_images_and_gives_each_case_its_lesion(cohort):
    lines = (cohort.folder / "truth" / "cases.tsv").read_text().splitlines()
    assert lines[0].split("\t")[:3] == ["case_id", "true_class", "lesion_tbr"]
    truth = {line.split("\t")[0]: line.split("\t")[1] for line in lines[1:]}
    assert truth == {case.case_id: case.targets["recurrence"] for case in cohort.cases}


def test_a_failed_simulation_leaves_no_dataset(tmp_path):
    class Interrupting:
        def track(self, items, *, step, total):
            yield next(iter(items))
            raise KeyboardInterrupt

        def note(self, message):
            pass

    with pytest.raises(KeyboardInterrupt):
        simulate_cohort(SMALL, tmp_path / "Dataset001_Small", progress=Interrupting())
    assert not (tmp_path / "Dataset001_Small").exists()
    assert simulate_cohort(SMALL, tmp_path / "Dataset001_Small").cases
    assert [entry.name for entry in tmp_path.iterdir()] == ["Dataset001_Small"]


def test_classes_are_balanced_within_every_site():
    patients = draw_roster(CohortSettings(kind="static", num_cases=24, num_external=6))
    for site, count in (("A", 6), ("B", 6), ("C", 3)):
        for recurrence in CLASSES:
            cases = [p.case for p in patients if p.site.name == site and p.case.targets["recurrence"] == recurrence]
            assert len(cases) == count
    assert len({p.case.subject_id for p in patients}) == 30


def test_a_longer_cohort_starts_with_the_same_patients():
    short, long = (draw_roster(CohortSettings(kind="static", num_cases=n, num_external=0)) for n in (10, 30))
    assert long[:10] == short


def test_subjects_differ_in_brain_and_lesion(coarse_cases):
    brains = {case.anatomy.brain.tobytes() for _, case in coarse_cases}
    lesions = {case.lesion.mask.tobytes() for _, case in coarse_cases}
    assert len(brains) == len(lesions) == len(coarse_cases)


def test_brain_volume_is_that_of_adults(coarse_cases):
    volumes_ml = [case.anatomy.brain.sum() * GRID.voxel_ml for _, case in coarse_cases]
    assert 1300 < min(volumes_ml) < max(volumes_ml) < 2100


def test_tissue_fractions_sum_to_one_inside_the_brain_and_to_zero_outside(coarse_cases):
    for _, case in coarse_cases[:5]:
        total = sum(case.lesion.replace_tissue(case.anatomy.fractions).values())
        assert np.allclose(total, case.anatomy.brain, atol=1e-5)


def test_lesion_has_the_drawn_volume_and_lies_in_one_piece_inside_the_brain(coarse_cases):
    for patient, case in coarse_cases:
        volume_ml = case.lesion.mask.sum() * GRID.voxel_ml
        assert 3.5 < volume_ml < 41
        # Pieces that the rough edge cuts off are dropped, so some volume may be lost.
        assert 0.7 * patient.lesion.volume_ml <= volume_ml <= patient.lesion.volume_ml + GRID.voxel_ml
        assert not (case.lesion.mask & ~case.anatomy.brain).any()


def test_lesions_stay_off_the_striatum(coarse_cases):
    overlap_ml = [
        float(case.anatomy.fractions[Tissue.STRIATUM][case.lesion.mask].sum()) * GRID.voxel_ml
        for _, case in coarse_cases
    ]
    assert np.median(overlap_ml) == 0
    assert max(overlap_ml) < 2


def test_striatum_is_brighter_than_gray_matter_by_the_tables_ratio(template):
    # At 2 mm and with the sharpest scanner the inner striatum keeps most of its contrast.
    grid = Grid(spacing_mm=2.0)
    patient = next(p for p in draw_roster(CohortSettings(kind="static", num_cases=8)) if p.site.name == "A")
    case = simulate_case(patient, load_template(blur_mm=2.0), grid)
    striatum = case.anatomy.fractions[Tissue.STRIATUM] > 0.95
    gray = (case.anatomy.fractions[Tissue.GRAY_MATTER] > 0.85) & ~case.lesion.mask
    ratio = mean_inside(case.fdopa, striatum) / mean_inside(case.fdopa, gray)
    table = NORMAL_SUV[Tissue.STRIATUM] / NORMAL_SUV[Tissue.GRAY_MATTER]
    assert 0.8 * table < ratio < 1.1 * table


def test_uptake_of_the_rim_is_the_planted_ratio_before_the_scanner(coarse_cases):
    for patient, case in coarse_cases[:10]:
        suv = uptake_suv(case.anatomy, case.lesion, patient.lesion, np.random.default_rng(0))
        # The rest of each voxel's uptake is that of what the rim leaves: subtract it.
        rim = case.lesion.rim
        fractions = case.lesion.replace_tissue(case.anatomy.fractions)
        others = sum(fraction * NORMAL_SUV[t] for t, fraction in fractions.items() if t is not Tissue.TUMOR)
        assert (suv - others).sum() / rim.sum() / REFERENCE_SUV == pytest.approx(patient.lesion.tbr, rel=1e-4)


def test_image_doubles_when_the_uptake_doubles(coarse_cases):
    patient, case = coarse_cases[0]
    suv = uptake_suv(case.anatomy, case.lesion, patient.lesion, np.random.default_rng(0))
    once, twice = (
        scan_pet(factor * suv, case.anatomy.brain, GRID, patient.site, np.random.default_rng(1)) for factor in (1, 2)
    )
    assert np.allclose(twice, 2 * once, rtol=1e-5)


def test_suv_of_the_brain_lies_in_the_physiological_range(coarse_cases):
    means = [mean_inside(case.fdopa, case.anatomy.brain & ~case.lesion.mask) for _, case in coarse_cases]
    assert 0.4 < min(means) < max(means) < 1.5
    assert np.median(means) == pytest.approx(0.85, abs=0.12)


def lesion_auc(cases, value_of, label_of):
    labels = [label_of(patient) == "progression" for patient, _ in cases]
    return roc_auc_score(labels, [value_of(case) for _, case in cases])


def measured_tbr(case):
    return mean_inside(case.fdopa, case.lesion.mask) / np.median(case.fdopa[case.anatomy.brain & ~case.lesion.mask])


def t1c_ratio(case):
    return mean_inside(case.t1c, case.lesion.mask) / np.median(case.t1c[case.anatomy.brain & ~case.lesion.mask])


def flair_ratio(case):
    return mean_inside(case.flair, case.lesion.mask) / np.median(case.flair[case.anatomy.brain & ~case.lesion.mask])


def test_pet_tells_the_classes_apart_and_mri_hardly_does(coarse_cases):
    assert lesion_auc(coarse_cases, measured_tbr, lambda patient: patient.true_class) >= 0.85
    for ratio in (t1c_ratio, flair_ratio):
        assert 0.3 < lesion_auc(coarse_cases, ratio, lambda patient: patient.true_class) < 0.75


def test_noise_labels_are_balanced_and_independent_of_the_truth():
    agreements = []
    for seed in range(60):
        noise = draw_roster(CohortSettings(kind="static", num_cases=60, num_external=0, seed=seed, noise_labels=True))
        recorded = [p.case.targets["recurrence"] for p in noise]
        assert [recorded.count(name) for name in CLASSES] == [30, 30]
        agreements.append(np.mean([p.true_class == name for p, name in zip(noise, recorded, strict=True)]))
    # Two independent halvings of 60: agreement is hypergeometric about 1/2, standard deviation 0.5 / sqrt(59) = 0.065.
    # No spread at all would be a balance within each true class, which turns cross-validated AUCs below 0.5.
    assert np.mean(agreements) == pytest.approx(0.5, abs=4 * 0.065 / np.sqrt(60))
    assert np.std(agreements) == pytest.approx(0.065, rel=0.35)


def test_planted_optimum_of_the_uptake_ratio_is_the_analytic_auc():
    draws = {
        true_class: [
            sample_lesion(np.random.default_rng(derive_seed(0, true_class, i)), true_class=true_class).tbr
            for i in range(2000)
        ]
        for true_class in CLASSES
    }
    labels = [0] * 2000 + [1] * 2000
    auc = roc_auc_score(labels, [*draws[CLASSES[0]], *draws[CLASSES[1]]])
    # Two log-normals whose medians are the table's ratios, both with a log-SD of 0.20.
    distance = math.log(2.43 / 1.52) / 0.20
    analytic = 0.5 * (1 + math.erf(distance / 2))
    assert auc == pytest.approx(analytic, abs=0.01)
    assert 0.90 < analytic < 0.97


def test_smooth_field_has_unit_variance_and_forgets_within_its_scale():
    fields = np.stack(
        [smooth_field(np.random.default_rng(seed), Grid(spacing_mm=8.0), scale_mm=10.0) for seed in range(400)]
    )
    assert fields.mean() == pytest.approx(0, abs=0.02)
    assert np.allclose(fields.std(axis=0), 1, atol=0.2)
    near = (fields[:, :, :, :-1] * fields[:, :, :, 1:]).mean()
    far = (fields[:, :, :, :-5] * fields[:, :, :, 5:]).mean()
    assert near > 0.5
    assert abs(far) < 0.02


def test_smooth_field_is_the_same_in_the_world_at_every_resolution():
    fine, coarse = (
        smooth_field(np.random.default_rng(3), Grid(spacing_mm=spacing), scale_mm=30.0) for spacing in (2.0, 6.0)
    )
    # Every third fine voxel, from the second, has its center at a coarse one's.
    aligned = fine[1::3, 1::3, 1::3][tuple(slice(0, n) for n in coarse.shape)]
    assert np.allclose(aligned, coarse[tuple(slice(0, n) for n in aligned.shape)], atol=1e-4)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("num_cases", 3),
        ("num_external", -1),
        ("spacing_mm", 0.5),
        ("spacing_mm", math.nan),
        ("missing_rate", 1.5),
        ("seed", -1),
    ],
)
def test_settings_refuse_what_cannot_be_simulated(setting, value):
    with pytest.raises(SettingError, match=setting.replace("_", "-")):
        CohortSettings(**{setting: value})


def test_the_truth_says_what_the_reference_region_reads(tmp_path):
    dataset = simulate_cohort(CohortSettings(num_cases=4, num_external=0), tmp_path / "Dataset001_Test")
    with (dataset.folder / "truth" / "cases.tsv").open() as stream:
        truth = {row["case_id"]: row for row in csv.DictReader(stream, delimiter="\t")}
    scale = {site.name: site.pet_scale for site in TRAINING_SITES}
    for case in dataset.cases:
        files, row = dataset.files(case.case_id), truth[case.case_id]
        pet, lesion = read_volume(files.channels[2]), read_label(files.label).array > 0
        region = find_reference_region(pet.array, pet.array > 0, spacing_mm=pet.geometry.spacing_mm, lesion=lesion)
        measured = region.mean / scale[case.site]
        assert measured == pytest.approx(float(row["crescent_suv"]), rel=0.03)
        # The same lesion over the table's reference: another scale by the ratio of both references.
        by_table = float(row["lesion_tbr"]) * REFERENCE_SUV * float(row["uptake_factor"])
        assert by_table == pytest.approx(float(row["lesion_tbr_over_crescent"]) * float(row["crescent_suv"]), rel=1e-4)
