"""Do 95 % intervals hold the truth 95 times in 100? Coverage and mean width in simulated cohorts.

    python tests/benchmarks/interval_coverage.py --cohorts 2000

Scores are normal in both classes, so that the true AUC is known; in the settings with "spread", those of the positive
class have twice the standard deviation. With several cases per patient, half of the variance of a score belongs to the
patient, whose cases are of one class or, where "mixed", alternate. The last tables show the difference of two equally
good models, the calls at a threshold, and recalibration.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
from scipy.special import expit
from scipy.stats import binom, norm

from glioframe.evaluation.bootstrap import PatientBootstrap
from glioframe.evaluation.confusion import count_outcomes
from glioframe.evaluation.delong import auc_covariance, auc_parts, delong_interval, delong_test
from glioframe.evaluation.discrimination import weighted_auc
from glioframe.evaluation.interval import Interval
from glioframe.evaluation.permutation import permutation_p_value, swap_effects
from glioframe.evaluation.recalibration import calibration_intercept, calibration_slope
from glioframe.evaluation.wilson import auc_score_interval, mean_of_two_interval, wilson_interval

SIZES = (24, 60, 120)
AUCS = (0.6, 0.75, 0.9)
WITHIN_PATIENT = 0.5
SETTINGS = {
    "balanced": {"positive_share": 0.5},
    "rare": {"positive_share": 0.25},
    "rarest": {"positive_share": 0.125},
    "spread": {"positive_share": 0.5, "spread": 2.0},
    "rare and spread": {"positive_share": 0.25, "spread": 2.0},
    "clusters": {"positive_share": 0.5, "cases_per_patient": 2},
    "mixed": {"positive_share": 0.5, "cases_per_patient": 2, "mixed": True},
}


class Cohort:
    """Scores of two equally good models for patients with equally many cases each."""

    def __init__(self, rng, *, num_patients, auc, positive_share, cases_per_patient=1, mixed=False, spread=1.0):
        self.patient_of_case = np.repeat(np.arange(num_patients), cases_per_patient)
        self.num_patients = num_patients
        class_of_patient = np.arange(num_patients) < round(positive_share * num_patients)
        self.reference = class_of_patient[self.patient_of_case]
        if mixed:
            self.reference = np.arange(self.patient_of_case.size) % 2 == 0
        shared = np.sqrt(WITHIN_PATIENT) * rng.standard_normal((2, num_patients))[:, self.patient_of_case]
        own = np.sqrt(1 - WITHIN_PATIENT) * rng.standard_normal((2, self.reference.size))
        both = shared + own
        both[1] = (both[0] + both[1]) / np.sqrt(2)  # the models agree with a correlation of 0.7
        both[:, self.reference] *= spread
        self.scores = both + np.sqrt(1 + spread**2) * norm.ppf(auc) * self.reference

    def parts(self):
        return [
            auc_parts(self.reference, score, self.patient_of_case, num_patients=self.num_patients)
            for score in self.scores
        ]


def auc_intervals(cohort: Cohort, *, num_resamples: int, seed: int) -> dict[str, Interval | None]:
    """By every method; where one does not exist, Newcombe's takes its place, as in the product."""
    part = cohort.parts()[0]
    newcombe = auc_score_interval(part.auc, part.num_positive_patients, part.num_negative_patients)
    variance = float(auc_covariance([part])[0, 0])
    reach = norm.ppf(0.975) * np.sqrt(variance)
    patients = [f"{number:04d}" for number in cohort.patient_of_case]
    drawn = PatientBootstrap(patients, num_resamples=num_resamples, seed=seed)
    bca = drawn.interval(lambda weights: weighted_auc(cohort.reference, cohort.scores[0], weights))
    return {
        "BCa": bca or newcombe,
        "DeLong, plain": Interval(low=part.auc - reach, high=part.auc + reach, method=""),
        "DeLong, logit": delong_interval(part.auc, variance) or newcombe,
        "Newcombe": newcombe,
    }


def auc_table(rng, arguments, **setting) -> None:
    print(f"\n{setting}: coverage (mean width)", flush=True)
    for num_patients in SIZES:
        for auc in AUCS:
            covered, width = defaultdict(list), defaultdict(list)
            for seed in range(arguments.cohorts):
                cohort = Cohort(rng, num_patients=num_patients, auc=auc, **setting)
                for name, found in auc_intervals(cohort, num_resamples=arguments.resamples, seed=seed).items():
                    covered[name].append(found.low <= auc <= found.high)
                    width[name].append(min(1.0, found.high) - max(0.0, found.low))
            cells = [f"{name} {np.mean(covered[name]):.3f} ({np.mean(width[name]):.2f})" for name in covered]
            print(f"| {num_patients} | {auc} | " + " | ".join(cells) + " |", flush=True)


def difference_table(rng, arguments) -> None:
    print(
        "\ndifference of two equal models: coverage of DeLong, false claims at 5 % by DeLong, by swapping", flush=True
    )
    for num_patients in SIZES:
        for auc in AUCS:
            covered, delong, swapped = [], [], []
            for seed in range(arguments.cohorts):
                cohort = Cohort(rng, num_patients=num_patients, auc=auc, positive_share=0.5)
                parts = cohort.parts()
                found = delong_test((parts[0].auc, parts[1].auc), auc_covariance(parts))
                effects = swap_effects(
                    cohort.reference, *cohort.scores, cohort.patient_of_case, num_patients=num_patients
                )
                covered.append(found.interval.low <= 0 <= found.interval.high)
                delong.append(found.p_value is not None and found.p_value <= 0.05)
                swapped.append(permutation_p_value(effects, num_permutations=500, seed=seed) <= 0.05)
            rates = " | ".join(f"{np.mean(values):.3f}" for values in (covered, delong, swapped))
            print(f"| {num_patients} | {auc} | {rates} |", flush=True)


def proportion_tables(rng, arguments) -> None:
    """Wilson's coverage is exact: the binomial probabilities of the counts whose interval holds the truth."""
    print("\nsensitivity: exact coverage of Wilson's interval, mean of it over true values 0.5 to 0.98", flush=True)
    for num_trials in (12, 30, 60):
        rates = [exact_wilson_coverage(p, num_trials) for p in (0.6, 0.75, 0.9)]
        mean = np.mean([exact_wilson_coverage(p, num_trials) for p in np.linspace(0.5, 0.98, 481)])
        print(f"| {num_trials} | " + " | ".join(f"{rate:.3f}" for rate in [*rates, mean]) + " |", flush=True)
    print("\nsensitivity and balanced accuracy: score interval against BCa, half of the patients positive", flush=True)
    for num_patients in SIZES:
        for truth in (0.6, 0.75, 0.9):
            covered = defaultdict(list)
            for seed in range(arguments.cohorts):
                for name, found in call_intervals(rng, truth, num_patients, arguments.resamples, seed).items():
                    covered[name].append(found.low <= truth <= found.high)
            cells = [f"{name} {np.mean(values):.3f}" for name, values in covered.items()]
            print(f"| {num_patients} | {truth} | " + " | ".join(cells) + " |", flush=True)


def call_intervals(rng, truth: float, num_patients: int, num_resamples: int, seed: int) -> dict[str, Interval]:
    """Of calls that are right with the same probability in both classes."""
    reference = np.arange(num_patients) % 2 == 1
    calls = np.where(rng.random(num_patients) < truth, reference, ~reference)
    found = count_outcomes(reference, calls)
    sensitivity, specificity = float(found.sensitivity[0]), float(found.specificity[0])
    half = num_patients // 2
    wilson = wilson_interval(sensitivity, half)
    newcombe = mean_of_two_interval((sensitivity, half), (specificity, half))
    drawn = PatientBootstrap([f"{k:04d}" for k in range(num_patients)], num_resamples=num_resamples, seed=seed)
    return {
        "sensitivity, Wilson": wilson,
        "sensitivity, BCa": drawn.interval(lambda w: count_outcomes(reference, calls, w).sensitivity) or wilson,
        "balanced accuracy, Newcombe": newcombe,
        "balanced accuracy, BCa": drawn.interval(lambda w: count_outcomes(reference, calls, w).balanced_accuracy)
        or newcombe,
    }


def exact_wilson_coverage(proportion: float, num_trials: int) -> float:
    """The chance that Wilson's interval holds the proportion."""
    counts = np.arange(num_trials + 1)
    limits = [wilson_interval(count / num_trials, num_trials).limits for count in counts]
    holds = np.array([low <= proportion <= high for low, high in limits])
    return float(binom.pmf(counts[holds], num_trials, proportion).sum())


def recalibration_table(rng, arguments) -> None:
    """Probabilities whose logits are 1.5 times too far from 0 (slope), and right ones (intercept)."""
    print("\ncalibration slope and intercept, Wald: coverage, cohorts without a slope", flush=True)
    for num_patients in SIZES:
        patients = [str(number) for number in range(num_patients)]
        slopes, intercepts, without = [], [], 0
        for _ in range(arguments.cohorts):
            logits = 1.2 * rng.standard_normal(num_patients)
            reference = rng.random(num_patients) < expit(logits)
            slope = calibration_slope(reference, expit(1.5 * logits), patients)
            intercept = calibration_intercept(reference, expit(logits), patients)
            without += slope is None
            if slope is not None:
                slopes.append(slope.interval.low <= 1 / 1.5 <= slope.interval.high)
            if intercept is not None:
                intercepts.append(intercept.interval.low <= 0 <= intercept.interval.high)
        print(f"| {num_patients} | {np.mean(slopes):.3f} | {np.mean(intercepts):.3f} | {without} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=(*SETTINGS, "difference", "proportion", "calibration"))
    arguments = parser.parse_args()
    for name, setting in SETTINGS.items():
        if arguments.only in (None, name):
            auc_table(np.random.default_rng(arguments.seed), arguments, **setting)
    if arguments.only in (None, "difference"):
        difference_table(np.random.default_rng(arguments.seed), arguments)
    if arguments.only in (None, "calibration"):
        recalibration_table(np.random.default_rng(arguments.seed), arguments)
    if arguments.only in (None, "proportion"):
        proportion_tables(np.random.default_rng(arguments.seed), arguments)


if __name__ == "__main__":
    main()
