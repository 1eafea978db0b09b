"""All metrics of one sample, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from glioframe.artifacts.evaluation import Metric, Metrics
from glioframe.evaluation.bootstrap import PatientBootstrap
from glioframe.evaluation.calibration import num_calibration_bins, weighted_brier, weighted_ece, weighted_scaled_brier
from glioframe.evaluation.confusion import count_outcomes
from glioframe.evaluation.delong import auc_variance, delong_interval
from glioframe.evaluation.discrimination import weighted_auc, weighted_average_precision
from glioframe.evaluation.interval import Interval
from glioframe.evaluation.recalibration import calibration_intercept, calibration_slope
from glioframe.evaluation.wilson import auc_score_interval, mean_of_two_interval, wilson_interval

if TYPE_CHECKING:
    from glioframe.evaluation.bootstrap import Statistic
    from glioframe.evaluation.recalibration import Recalibrated
    from glioframe.evaluation.sample import Sample

Formula: TypeAlias = Callable[[float], Interval | None]
"""From a metric's value to its interval; None where the formula does not hold."""

NO_INTERVAL = "none: the bootstrap of patients has no spread"
UNDEFINED = "none: undefined for these cases"
SEPARATED = "none: a threshold parts the classes without error, so no slope is finite"

FEWEST_FOR_DELONG = 5
"""Patients in each class from which on DeLong's variance can be trusted."""

_NAMES = tuple(field.name for field in fields(Metrics))


def measure(sample: Sample, *, num_resamples: int, seed: int) -> Metrics:
    """Every metric of the sample with its interval.

    The AUC has DeLong's on the logit scale, or Newcombe's where a class has few patients; sensitivity, specificity
    and precision have Wilson's where each patient counts once; the calibration intercept and slope have those of
    their regression. All else has the BCa interval of the bootstrap over patients.

    Where all resamples agree (a sensitivity of 1 in patients with several cases, say) the bootstrap would claim
    certainty; an interval that counts patients as trials takes its place: Wilson's for proportions, Newcombe's for
    the AUC, and for the AUPRC the binomial one over positive cases (K. Boyd et al., ECML PKDD (2013) 451-466), in
    Wilson's form.
    """
    if sample.num_cases == 0:
        return Metrics(**{name: _undefined(0) for name in _NAMES})
    bootstrap = PatientBootstrap(sample.patients, num_resamples=num_resamples, seed=seed)
    preferred, fallbacks = _preferred(sample), _fallbacks(sample)
    numbers = _numbers_behind(sample)
    resampled = {
        name: _metric(
            bootstrap,
            statistic,
            n=numbers.get(name, sample.num_cases),
            preferred=preferred.get(name),
            fallback=fallbacks.get(name),
        )
        for name, statistic in _statistics(sample).items()
    }
    evidence = (sample.reference, sample.probability, sample.patients)
    return Metrics(
        **resampled,
        calibration_intercept=_recalibrated(sample, calibration_intercept(*evidence)),
        calibration_slope=_recalibrated(sample, calibration_slope(*evidence)),
    )


def _statistics(sample: Sample) -> dict[str, Statistic]:
    y, p, calls = sample.reference, sample.probability, sample.calls
    num_bins = num_calibration_bins(sample.num_cases)
    return {
        "auc": lambda weights: weighted_auc(y, p, weights),
        "auprc": lambda weights: weighted_average_precision(y, p, weights),
        "balanced_accuracy": lambda weights: count_outcomes(y, calls, weights).balanced_accuracy,
        "precision": lambda weights: count_outcomes(y, calls, weights).precision,
        "sensitivity": lambda weights: count_outcomes(y, calls, weights).sensitivity,
        "specificity": lambda weights: count_outcomes(y, calls, weights).specificity,
        "brier": lambda weights: weighted_brier(y, p, weights),
        "ece": lambda weights: weighted_ece(y, p, weights, num_bins=num_bins),
        "brier_scaled": lambda weights: weighted_scaled_brier(y, p, weights),
    }


def auc_interval(sample: Sample, auc: float) -> Interval | None:
    """DeLong's, or Newcombe's with few patients in a class or when the classes are parted without error.

    Returns:
        None where neither exists, because a class is absent.
    """
    positives, negatives = _patients_of_classes(sample)
    if not (positives and negatives):
        return None
    found = None
    if min(positives, negatives) >= FEWEST_FOR_DELONG:
        variance = auc_variance(sample.reference, sample.probability, sample.patients)
        found = None if variance is None else delong_interval(auc, variance)
    return found or auc_score_interval(auc, positives, negatives)


def _preferred(sample: Sample) -> dict[str, Formula]:
    """Formulas that hold the truth as often as they say in small cohorts, where the bootstrap is less exact."""
    proportions = _wilson_intervals(sample) if sample.num_patients == sample.num_cases else {}
    return {"auc": lambda value: auc_interval(sample, value), **proportions}


def _fallbacks(sample: Sample) -> dict[str, Formula]:
    """Where the bootstrap has no spread."""
    positives, negatives = _patients_of_classes(sample)

    def balanced_accuracy_interval(_: float) -> Interval:
        confusion = count_outcomes(sample.reference, sample.calls)
        sensitivity, specificity = float(confusion.sensitivity[0]), float(confusion.specificity[0])
        return mean_of_two_interval((sensitivity, positives), (specificity, negatives))

    return {
        "auprc": lambda value: wilson_interval(value, positives),
        "balanced_accuracy": balanced_accuracy_interval,
        **_wilson_intervals(sample),
    }


def _wilson_intervals(sample: Sample) -> dict[str, Formula]:
    """Of proportions of calls, with patients as trials."""
    positives, negatives = _patients_of_classes(sample)
    called = sample.num_patients_where(sample.calls)
    return {
        "precision": lambda value: wilson_interval(value, called),
        "sensitivity": lambda value: wilson_interval(value, positives),
        "specificity": lambda value: wilson_interval(value, negatives),
    }


def _patients_of_classes(sample: Sample) -> tuple[int, int]:
    return sample.num_patients_where(sample.reference), sample.num_patients_where(~sample.reference)


def _numbers_behind(sample: Sample) -> dict[str, int]:
    """Cases in the denominator, where that is not all of them."""
    return {
        "precision": int(sample.calls.sum()),
        "sensitivity": sample.num_positive,
        "specificity": sample.num_negative,
    }


def _metric(
    bootstrap: PatientBootstrap, statistic: Statistic, *, n: int, preferred: Formula | None, fallback: Formula | None
) -> Metric:
    value = bootstrap.estimate(statistic)
    if not math.isfinite(value):
        return _undefined(n)
    interval = preferred(value) if preferred else None
    interval = interval or bootstrap.interval(statistic) or (fallback(value) if fallback else None)
    if interval is None:
        return Metric(value=value, ci95=None, n=n, interval=NO_INTERVAL)
    return Metric(value=value, ci95=interval.limits, n=n, interval=interval.method)


def _recalibrated(sample: Sample, found: Recalibrated | None) -> Metric:
    n = sample.num_cases
    if found is not None:
        return Metric(value=found.value, ci95=found.interval.limits, n=n, interval=found.interval.method)
    if sample.num_positive and sample.num_negative and np.ptp(sample.probability) > 0:
        return Metric(value=None, ci95=None, n=n, interval=SEPARATED)
    return _undefined(n)


def _undefined(n: int) -> Metric:
    return Metric(value=None, ci95=None, n=n, interval=UNDEFINED)
