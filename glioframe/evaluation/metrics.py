"""All metrics of one sample, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, TypeAlias

from glioframe.artifacts.evaluation import Metric, Metrics
from glioframe.evaluation.bootstrap import PatientBootstrap
from glioframe.evaluation.calibration import num_calibration_bins, weighted_brier, weighted_ece
from glioframe.evaluation.confusion import count_outcomes
from glioframe.evaluation.discrimination import weighted_auc, weighted_average_precision
from glioframe.evaluation.interval import Interval
from glioframe.evaluation.wilson import auc_score_interval, mean_of_two_interval, wilson_interval

if TYPE_CHECKING:
    from glioframe.evaluation.bootstrap import Statistic
    from glioframe.evaluation.sample import Sample

Fallback: TypeAlias = Callable[[float], Interval]
"""From a metric's value to the interval that stands in where the bootstrap has no spread."""

NO_INTERVAL = "none: the bootstrap of patients has no spread"
UNDEFINED = "none: undefined for these cases"

_NAMES = tuple(field.name for field in fields(Metrics))


def measure(sample: Sample, *, num_resamples: int, seed: int) -> Metrics:
    """Every metric of the sample with the BCa interval of the bootstrap over patients.

    Where all resamples agree (a sensitivity of 1, say) the bootstrap would claim certainty; an interval that
    counts patients as trials takes its place: Wilson's for proportions, Newcombe's for the AUC, and for the
    AUPRC the binomial one over positive cases (K. Boyd et al., ECML PKDD (2013) 451-466), in Wilson's form.
    """
    if sample.num_cases == 0:
        return Metrics(**{name: _undefined(0) for name in _NAMES})
    bootstrap = PatientBootstrap(sample.patients, num_resamples=num_resamples, seed=seed)
    statistics, fallbacks, numbers = _statistics(sample), _fallbacks(sample), _numbers_behind(sample)
    return Metrics(
        **{
            name: _metric(
                bootstrap, statistics[name], n=numbers.get(name, sample.num_cases), fallback=fallbacks.get(name)
            )
            for name in _NAMES
        }
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
    }


def _fallbacks(sample: Sample) -> dict[str, Fallback]:
    positives = sample.num_patients_where(sample.reference)
    negatives = sample.num_patients_where(~sample.reference)
    called = sample.num_patients_where(sample.calls)

    def balanced_accuracy_interval(_: float) -> Interval:
        confusion = count_outcomes(sample.reference, sample.calls)
        sensitivity, specificity = float(confusion.sensitivity[0]), float(confusion.specificity[0])
        return mean_of_two_interval((sensitivity, positives), (specificity, negatives))

    return {
        "auc": lambda value: auc_score_interval(value, positives, negatives),
        "auprc": lambda value: wilson_interval(value, positives),
        "balanced_accuracy": balanced_accuracy_interval,
        "precision": lambda value: wilson_interval(value, called),
        "sensitivity": lambda value: wilson_interval(value, positives),
        "specificity": lambda value: wilson_interval(value, negatives),
    }


def _numbers_behind(sample: Sample) -> dict[str, int]:
    """Cases in the denominator, where that is not all of them."""
    return {
        "precision": int(sample.calls.sum()),
        "sensitivity": sample.num_positive,
        "specificity": sample.num_negative,
    }


def _metric(bootstrap: PatientBootstrap, statistic: Statistic, *, n: int, fallback: Fallback | None) -> Metric:
    value = bootstrap.estimate(statistic)
    if not math.isfinite(value):
        return _undefined(n)
    interval = bootstrap.interval(statistic)
    if interval is None and fallback is not None:
        interval = fallback(value)
    if interval is None:
        return Metric(value=value, ci95=None, n=n, interval=NO_INTERVAL)
    return Metric(value=value, ci95=interval.limits, n=n, interval=interval.method)


def _undefined(n: int) -> Metric:
    return Metric(value=None, ci95=None, n=n, interval=UNDEFINED)
