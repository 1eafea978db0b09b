"""DeLong's variance against comparing all pairs, against simulated cohorts, and against the bootstrap."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from glioframe.evaluation.bootstrap import PatientBootstrap
from glioframe.evaluation.delong import auc_covariance, auc_parts, delong_interval, delong_test
from glioframe.evaluation.discrimination import weighted_auc


def pair_score(positive, negative):
    return 1.0 if positive > negative else 0.5 if positive == negative else 0.0


def covariance_by_pairs(reference, scores, patients):
    """Obuchowski's covariance, each sum written out over all pairs of cases."""
    positive, negative = np.flatnonzero(reference), np.flatnonzero(1 - reference)
    m, n = len(positive), len(negative)
    names = sorted(set(patients))
    aucs, of_positive, of_negative = [], [], []
    for score in scores:
        pairs = np.array([[pair_score(score[i], score[j]) for j in negative] for i in positive])
        auc = pairs.mean()
        own = [
            [sum(pairs[k].mean() - auc for k in range(m) if patients[positive[k]] == name) for name in names],
            [sum(pairs[:, k].mean() - auc for k in range(n) if patients[negative[k]] == name) for name in names],
        ]
        aucs.append(auc)
        of_positive.append(own[0])
        of_negative.append(own[1])
    i10 = len({patients[k] for k in positive})
    i01 = len({patients[k] for k in negative})
    i = len(names)
    covariance = np.zeros((len(scores), len(scores)))
    for j in range(len(scores)):
        for k in range(len(scores)):
            s10 = i10 / ((i10 - 1) * m) * np.dot(of_positive[j], of_positive[k])
            s01 = i01 / ((i01 - 1) * n) * np.dot(of_negative[j], of_negative[k])
            s11 = i / (i - 1) * np.dot(of_positive[j], of_negative[k])
            s11_swapped = i / (i - 1) * np.dot(of_positive[k], of_negative[j])
            covariance[j, k] = s10 / m + s01 / n + (s11 + s11_swapped) / (m * n)
    return np.array(aucs), covariance


def fast(reference, scores, patients):
    numbers = np.unique(patients, return_inverse=True)[1]
    parts = [auc_parts(reference, score, numbers, num_patients=numbers.max() + 1) for score in scores]
    return np.array([part.auc for part in parts]), auc_covariance(parts)


def binormal(rng, num_cases, *, shift=1.2, num_models=2, shared=0.6, num_positive=None):
    """Scores of correlated models; the AUC of each is Phi(shift / sqrt 2)."""
    reference = (np.arange(num_cases) < (num_positive or num_cases // 2)).astype(int)
    common = rng.standard_normal(num_cases)
    own = rng.standard_normal((num_models, num_cases))
    return reference, np.sqrt(shared) * common + np.sqrt(1 - shared) * own + shift * reference


@pytest.mark.parametrize("cases_per_patient", [1, 3])
@pytest.mark.parametrize("decimals", [8, 0])
def test_variance_and_covariance_are_those_of_all_pairs_also_with_ties_and_several_cases_per_patient(
    cases_per_patient, decimals
):
    rng = np.random.default_rng(cases_per_patient)
    reference, scores = binormal(rng, 36)
    scores = np.round(scores, decimals)
    patients = [f"sub{index // cases_per_patient}" for index in rng.permutation(36)]
    aucs, covariance = covariance_by_pairs(reference, scores, patients)
    found_aucs, found = fast(reference, scores, patients)
    np.testing.assert_allclose(found_aucs, aucs, atol=1e-12)
    np.testing.assert_allclose(found, covariance, atol=1e-12)
    assert found_aucs[0] == pytest.approx(roc_auc_score(reference, scores[0]))


def test_standard_error_of_a_hand_made_example():
    # Positive 3, 5 and negative 1, 4: placements 1/2 and 1 of the positives, 1 and 1/2 of the negatives. AUC 3/4.
    # Sample variances 1/8 each; variance 1/8/2 + 1/8/2 = 1/8.
    aucs, covariance = fast(np.array([1, 1, 0, 0]), np.array([[3.0, 5.0, 1.0, 4.0]]), list("abcd"))
    assert aucs == pytest.approx([0.75])
    assert covariance == pytest.approx(np.array([[0.125]]))


def test_the_variance_is_right_on_average_over_simulated_cohorts():
    rng = np.random.default_rng(1)
    cohorts = [fast(*binormal(rng, 80), [str(index) for index in range(80)]) for _ in range(1500)]
    aucs = np.array([auc for auc, _ in cohorts])
    estimated = np.mean([covariance for _, covariance in cohorts], axis=0)
    # 1500 cohorts: the simulated variance itself is known to about 4 %.
    np.testing.assert_allclose(estimated, np.cov(aucs.T), rtol=0.12)


def test_the_variance_is_right_on_average_when_patients_have_three_correlated_cases():
    rng = np.random.default_rng(2)
    patients = np.repeat(np.arange(30), 3)

    def cohort():
        reference = (np.arange(90) % 2).astype(int)  # every patient has both classes
        mood = rng.standard_normal(30)[patients]
        return reference, (0.8 * mood + 0.6 * rng.standard_normal(90) + reference)[None]

    found = [fast(*cohort(), patients) for _ in range(1500)]
    simulated = np.var([auc[0] for auc, _ in found])
    estimated = np.mean([covariance[0, 0] for _, covariance in found])
    assert estimated == pytest.approx(simulated, rel=0.12)


@pytest.mark.parametrize("num_cases", [100, 200])
def test_the_standard_error_agrees_with_the_bootstraps(num_cases):
    rng = np.random.default_rng(num_cases)
    ratios = []
    for seed in range(8):
        reference, scores = binormal(rng, num_cases)
        patients = [f"{index:03d}" for index in range(num_cases)]
        drawn = PatientBootstrap(patients, num_resamples=2000, seed=seed)
        spread = drawn.distribution(lambda w, y=reference, p=scores[0]: weighted_auc(y, p, w)).std()
        ratios.append(np.sqrt(fast(reference, scores[:1], patients)[1][0, 0]) / spread)
    assert ratios == pytest.approx(np.ones(8), abs=0.1)


def test_the_interval_is_symmetric_on_the_logit_scale_and_stays_inside():
    found = delong_interval(0.97, 0.02**2)
    logits = [np.log(x / (1 - x)) for x in (found.low, 0.97, found.high)]
    assert logits[2] - logits[1] == pytest.approx(logits[1] - logits[0])
    assert 0 < found.low < 0.97 < found.high < 1
    # Near the middle and with little spread it is the plain one.
    plain = delong_interval(0.5, 1e-6)
    assert plain.limits == pytest.approx((0.5 - 1.96e-3, 0.5 + 1.96e-3), abs=1e-7)


def test_perfect_separation_has_no_delong_interval():
    _, covariance = fast(np.array([0, 0, 1, 1]), np.array([[0.1, 0.2, 0.8, 0.9]]), list("abcd"))
    assert delong_interval(1.0, covariance[0, 0]) is None


def test_one_patient_in_a_class_gives_no_variance():
    assert fast(np.array([1, 0, 0]), np.array([[0.9, 0.2, 0.3]]), list("abc"))[1] is None


def test_equal_models_differ_by_nothing_and_p_is_one():
    reference, scores = binormal(np.random.default_rng(3), 40)
    aucs, covariance = fast(reference, scores[[0, 0]], list(range(40)))
    found = delong_test(tuple(aucs), covariance)
    assert (found.difference, found.p_value) == (0.0, 1.0)


def test_the_paired_test_rejects_equal_models_about_as_often_as_it_says():
    rng = np.random.default_rng(4)
    patients = list(range(100))
    p_values = [delong_test(*fast(*binormal(rng, 100, shift=1.0), patients)).p_value for _ in range(1000)]
    # Five standard deviations of a binomial share of 5 % in 1000 cohorts: 3.4 percentage points.
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.035)


def test_the_paired_test_is_the_normal_tail_of_the_difference_over_its_standard_error():
    reference, scores = binormal(np.random.default_rng(5), 60)
    aucs, covariance = covariance_by_pairs(reference, scores, list(range(60)))
    standard_error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    found = delong_test(*fast(reference, scores, list(range(60))))
    assert found.p_value == pytest.approx(2 * norm.sf(abs(aucs[0] - aucs[1]) / standard_error))
    assert found.interval.low == pytest.approx(aucs[0] - aucs[1] - norm.ppf(0.975) * standard_error)
