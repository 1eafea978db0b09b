"""The intervals that are reported hold the truth about as often as they say; the full table is a benchmark's."""

import numpy as np
import pytest
from scipy.stats import norm

from glioframe.evaluation.delong import auc_variance
from glioframe.evaluation.metrics import auc_interval
from glioframe.evaluation.sample import Sample

NUM_COHORTS = 800
# 93 to 97 %, widened by three standard deviations of a share of 95 % in so many cohorts: 2.3 percentage points.
LOW, HIGH = 0.93 - 3 * np.sqrt(0.95 * 0.05 / NUM_COHORTS), 0.97 + 3 * np.sqrt(0.95 * 0.05 / NUM_COHORTS)


def draw_sample(rng, *, num_patients, auc, num_positive, cases_per_patient=1):
    patients = np.repeat(np.arange(num_patients), cases_per_patient)
    reference = patients < num_positive
    of_patient, of_case = rng.standard_normal(num_patients)[patients], rng.standard_normal(patients.size)
    score = np.sqrt(0.5) * (of_patient + of_case) + np.sqrt(2) * norm.ppf(auc) * reference
    return Sample(
        patients=tuple(map(str, patients)),
        reference=reference,
        probability=norm.cdf(score),
        calls=score > 0,
        num_without_reference=0,
    )


def coverage(seed, *, auc, **setting):
    rng = np.random.default_rng(seed)
    covered = 0
    for _ in range(NUM_COHORTS):
        sample = draw_sample(rng, auc=auc, **setting)
        positive, negative = sample.probability[sample.reference], sample.probability[~sample.reference]
        observed = (positive[:, None] > negative).mean()
        found = auc_interval(sample, float(observed))
        covered += found.low <= auc <= found.high
    return covered / NUM_COHORTS


@pytest.mark.parametrize("auc", [0.6, 0.75, 0.9])
@pytest.mark.parametrize(("num_patients", "num_positive"), [(24, 12), (24, 3), (60, 30)])
def test_the_interval_of_the_auc_holds_the_truth_93_to_97_times_in_100(num_patients, num_positive, auc):
    rate = coverage(num_patients, auc=auc, num_patients=num_patients, num_positive=num_positive)
    assert LOW <= rate <= HIGH


@pytest.mark.parametrize("auc", [0.6, 0.9])
def test_it_does_so_too_when_patients_have_two_cases(auc):
    assert LOW <= coverage(1, auc=auc, num_patients=60, num_positive=30, cases_per_patient=2) <= HIGH


def test_without_patients_two_cases_each_would_be_taken_for_more_than_they_are():
    rng = np.random.default_rng(2)
    sample = draw_sample(rng, auc=0.75, num_patients=200, num_positive=100, cases_per_patient=2)
    apart = [str(index) for index in range(400)]
    by_patient = auc_variance(sample.reference, sample.probability, sample.patients)
    assert by_patient > 1.2 * auc_variance(sample.reference, sample.probability, apart)
