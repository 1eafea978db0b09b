"""Dynamic cohorts before any image: the planted classes, the kinetics of lesions, and who is in the cohort."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from glioframe.core.errors import SettingError
from glioframe.core.modality import Tracer
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.input_function import population_input
from glioframe.pet.two_tissue import two_tissue_frames
from glioframe.simulation.dynamic_roster import draw_dynamic_roster, site_schedule
from glioframe.simulation.questions import MOLECULAR, QUESTIONS, RECURRENCE
from glioframe.simulation.settings import CohortSettings
from glioframe.simulation.sites import EXTERNAL_SITE, TRAINING_SITES
from glioframe.simulation.tumor_kinetics import tumor_at, voxel_constants
from pet_curves import find_row

LMU = FrameSchedule.from_pattern("7x10,3x30,1x120,3x300,2x600")
NANCY = FrameSchedule.from_pattern("30x60")
WINDOWS = {Tracer.FDOPA: (NANCY, 600, 1800), Tracer.FET: (LMU, 1200, 2400)}
TRACERS = pytest.mark.parametrize("tracer", [Tracer.FDOPA, Tracer.FET])


def settings(**changes):
    return CohortSettings(**{"num_cases": 24, "num_external": 6, **changes})


def static_suv_and_peak_min(tissue, tracer):
    schedule, start_s, stop_s = WINDOWS[tracer]
    frames = two_tissue_frames(tissue, population_input(tracer, end_s=schedule.end_s[-1]), schedule)
    seconds = schedule.frames_within(start_s, stop_s)
    mid_min = np.array(schedule.mid_s) / 60
    late = mid_min > 2
    return seconds @ frames / seconds.sum(), mid_min[late][frames[late].argmax()]


def tumor_of(question, tracer, lesion_type):
    return tumor_at(question, tracer, question.log_centers(tracer)[question.types.index(lesion_type)])


@TRACERS
@pytest.mark.parametrize(
    ("question", "lesion_type", "row"),
    [
        (RECURRENCE, "progression", "progression"),
        (RECURRENCE, "treatment_related_change", "necrosis"),
        (MOLECULAR, "astrocytoma", "IDH-mutant"),
        (MOLECULAR, "oligodendroglioma", "oligodendroglioma"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_average_lesion_has_the_uptake_and_peak_of_the_tables(tracer, question, lesion_type, row):
    suv, peak_min = static_suv_and_peak_min(tumor_of(question, tracer, lesion_type).bulk, tracer)
    expected = find_row(tracer.value, row)
    assert suv == pytest.approx(expected.suv, abs=0.011)
    assert peak_min == pytest.approx(expected.time_to_peak_min[0], abs=0.051)


@TRACERS
@pytest.mark.parametrize(("question", "lesion_type"), [(RECURRENCE, "progression"), (MOLECULAR, "glioblastoma")])
def test_the_foci_of_an_average_tumor_are_those_of_the_tables(tracer, question, lesion_type):
    tumor = tumor_of(question, tracer, lesion_type)
    for tissue, row in ((tumor.hot_spot, "hot spot"), (tumor.decoy, "decoy")):
        expected = find_row(tracer.value, row)
        assert tissue.k1_ml_cm3_min == pytest.approx(expected.K1)
        assert tissue.k2_per_min == pytest.approx(expected.k2)
        assert tissue.vb == pytest.approx(expected.blood_fraction)
        suv, peak_min = static_suv_and_peak_min(tissue, tracer)
        assert suv == pytest.approx(expected.suv, abs=0.011)
        assert peak_min == pytest.approx(expected.time_to_peak_min[0], abs=0.051)


@TRACERS
@pytest.mark.parametrize("question", ["recurrence", "molecular"])
def test_the_hot_spot_peaks_first_and_the_decoy_takes_up_most_in_every_lesion(tracer, question):
    first_min = min(mid_s / 60 for mid_s in WINDOWS[tracer][0].mid_s if mid_s > 120)
    for patient in draw_dynamic_roster(settings(num_cases=40, tracer=tracer.value, question=question)):
        tumor = patient.variation.tumor
        (hot_suv, hot_min), (decoy_suv, decoy_min), (bulk_suv, bulk_min) = (
            static_suv_and_peak_min(tissue, tracer) for tissue in (tumor.hot_spot, tumor.decoy, tumor.bulk)
        )
        assert decoy_suv > max(hot_suv, bulk_suv)
        assert hot_min <= bulk_min <= decoy_min
        # Slow lesions rise until the scan ends, and the fastest peak before the search begins, wherever one looks.
        is_slow, is_fastest = patient.place.true_class == "treatment_related_change", decoy_min == first_min
        assert hot_min < decoy_min or is_slow or is_fastest


@TRACERS
def test_planted_auc_of_recurrence_is_the_analytic_one(tracer):
    # Two normal classes of one covariance: the AUC is Phi(d / sqrt 2) with the Mahalanobis distance d.
    first, second = RECURRENCE.log_centers(tracer)
    squared = (second - first) @ np.linalg.solve(RECURRENCE.log_covariance(tracer), second - first)
    analytic = 0.5 * (1 + math.erf(math.sqrt(squared) / 2))
    assert RECURRENCE.bayes_auc(tracer, "recurrence") == pytest.approx(analytic, abs=0.004)
    assert 0.94 < analytic < 0.96


@TRACERS
@pytest.mark.parametrize("question", QUESTIONS.values(), ids=lambda question: question.name)
def test_planted_auc_is_what_the_bayes_scores_of_new_lesions_reach(tracer, question):
    rng = np.random.default_rng(5)
    for target in question.targets:
        scores, labels = [], []
        for lesion_type in question.types:
            draws = question.draw(tracer, lesion_type, rng, count=1500)
            scores.append(question.bayes_score(tracer, target.name, draws))
            drawn = [question.sample_classes(lesion_type, rng)[target.name] for _ in draws]
            labels += [name == target.classes[-1] for name in drawn]
        empirical = roc_auc_score(labels, np.concatenate(scores))
        assert empirical == pytest.approx(question.bayes_auc(tracer, target.name), abs=0.02)


@TRACERS
def test_no_learned_rule_on_k1_and_k2_beats_the_planted_auc(tracer):
    rng = np.random.default_rng(6)
    draws = {name: MOLECULAR.draw(tracer, name, rng, count=4000) for name in MOLECULAR.types}
    features = np.concatenate(list(draws.values()))
    is_mutant = np.repeat([0, 1, 1], 4000)
    learned = LinearDiscriminantAnalysis().fit(features[::2], is_mutant[::2])
    score = learned.decision_function(features[1::2])
    assert roc_auc_score(is_mutant[1::2], score) < MOLECULAR.bayes_auc(tracer, "idh") + 0.01


def test_k3_k4_and_blood_tell_no_more_than_k1_and_k2():
    at = np.log([0.12, 0.15])
    tumors = [tumor_at(question, Tracer.FET, at) for question in (RECURRENCE, RECURRENCE)]
    assert tumors[0] == tumors[1]
    for question in QUESTIONS.values():
        draws = question.draw(Tracer.FET, question.types[0], np.random.default_rng(0), count=30)
        nearest = [question.types[i] for i in question.log_likelihood(Tracer.FET, draws).argmax(axis=1)]
        for draw, name in zip(draws, nearest, strict=True):
            bulk, table = tumor_at(question, Tracer.FET, draw).bulk, question.table_tissue(Tracer.FET, name)
            assert (bulk.k3_per_min, bulk.k4_per_min, bulk.vb) == (table.k3_per_min, table.k4_per_min, table.vb)


def test_a_voxel_of_one_tissue_has_its_constants_and_a_mixture_lies_between():
    tumor = tumor_of(RECURRENCE, Tracer.FET, "progression")
    hot, decoy = np.array([0, 1, 0, 0.5]), np.array([0, 0, 1, 0])
    none = np.zeros(4)
    constants = voxel_constants(tumor, hot, decoy, (none, none))
    for column, tissue in enumerate((tumor.bulk, tumor.hot_spot, tumor.decoy)):
        expected = (tissue.k1_ml_cm3_min, tissue.k2_per_min, tissue.k3_per_min, tissue.k4_per_min, tissue.vb)
        assert constants[:, column] == pytest.approx(expected)
    assert constants[0, 0] < constants[0, 3] < constants[0, 1]


def test_the_texture_multiplies_k1_and_k2_and_nothing_else():
    tumor = tumor_of(RECURRENCE, Tracer.FDOPA, "progression")
    none, one = np.zeros(1), np.ones(1)
    plain, textured = (voxel_constants(tumor, none, none, fields) for fields in ((none, none), (one, -one)))
    ratio = textured[[0, 1, 4], 0] / plain[[0, 1, 4], 0]
    assert ratio == pytest.approx([math.exp(tumor.texture), math.exp(-tumor.texture), 1.0])
    assert (textured[2:4] == 0).all()


@pytest.mark.parametrize("question", ["recurrence", "molecular"])
def test_half_of_the_lesions_of_every_type_have_a_decoy(question):
    patients = draw_dynamic_roster(settings(num_cases=36, num_external=0, question=question))
    counts = Counter((patient.place.true_class, patient.has_decoy) for patient in patients)
    for lesion_type in QUESTIONS[question].types:
        assert abs(counts[lesion_type, True] - counts[lesion_type, False]) <= 1


def test_a_longer_dynamic_cohort_starts_with_the_same_patients():
    short, long = (draw_dynamic_roster(settings(num_cases=n, num_external=0)) for n in (8, 20))
    assert long[:8] == short


def test_molecular_classes_obey_the_biology():
    for patient in draw_dynamic_roster(settings(question="molecular")):
        targets, lesion_type = patient.case.targets, patient.place.true_class
        assert (targets["idh"] == "wildtype") == (lesion_type == "glioblastoma")
        assert (targets["codel_1p19q"] == "codeleted") == (lesion_type == "oligodendroglioma")
        assert targets["tert"] in {"wildtype", "mutant"}


def test_noise_labels_leave_the_kinetics_as_they_are():
    honest, noise = (draw_dynamic_roster(settings(noise_labels=flag)) for flag in (False, True))
    assert [p.variation for p in honest] == [p.variation for p in noise]
    assert [p.case.targets for p in honest] != [p.case.targets for p in noise]


@TRACERS
def test_sites_have_their_own_frames_and_all_cover_the_static_window(tracer):
    _, start_s, stop_s = WINDOWS[tracer]
    schedules = [site_schedule(settings(tracer=tracer.value), site) for site in (*TRAINING_SITES, EXTERNAL_SITE)]
    assert len({schedule.duration_s for schedule in schedules}) == 3
    for schedule in schedules:
        schedule.check()
        assert schedule.covers(start_s, min(stop_s, 2380))


def test_a_schedule_may_be_a_pattern_or_a_protocol():
    site = TRAINING_SITES[0]
    assert site_schedule(settings(schedule="4x15,6x300"), site).num_frames == 10
    assert site_schedule(settings(schedule="fdopa_girard_20min"), site).end_s[-1] == 1200


@pytest.mark.parametrize("schedule", ["fast", "fet_lmu_40min", "static_fdopa", "1x1800"])
def test_a_schedule_that_cannot_be_meant_is_refused(schedule):
    with pytest.raises(SettingError):
        draw_dynamic_roster(settings(schedule=schedule))


@pytest.mark.parametrize(
    "changes",
    [{"kind": "moving"}, {"tracer": "met"}, {"question": "grade"}, {"kind": "static", "tracer": "fet"}],
    ids=str,
)
def test_settings_refuse_cohorts_that_do_not_exist(changes):
    with pytest.raises(SettingError):
        settings(**changes)
