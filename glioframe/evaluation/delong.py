"""The variance of AUCs from placement values, with all cases of a patient as one observation.

E. R. DeLong et al., Biometrics 44 (1988) 837-845; patients with several cases: N. A. Obuchowski, Biometrics 53
(1997) 567-578, which is DeLong's where every patient has one case. Placements are found by sorting, as X. Sun and
W. Xu, IEEE Signal Process. Lett. 21 (2014) 1389-1393, instead of by comparing all pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri

from glioframe.evaluation.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DELONG_LOGIT = "DeLong over patients, on the logit scale"
DELONG = "DeLong over patients"

_LEAST_PATIENTS = 2
_ZERO = 1e-12


@dataclass(frozen=True, kw_only=True)
class AucParts:
    """An AUC, and what each patient adds to its deviation from the truth.

    Attributes:
        auc: The AUC.
        positive: From a patient's positive cases, (patients,).
        negative: From a patient's negative cases, (patients,).
        num_positive_patients: Patients with a positive case.
        num_negative_patients: Patients with a negative case.
    """

    auc: float
    positive: NDArray[np.float64]
    negative: NDArray[np.float64]
    num_positive_patients: int
    num_negative_patients: int


def auc_parts(
    reference: NDArray[Any], probability: NDArray[Any], patient_of_case: NDArray[np.intp], *, num_patients: int
) -> AucParts:
    """The parts of one AUC.

    Args:
        reference: 1 for positive and 0 for negative, (n,); both must occur.
        probability: Of the positive class, (n,).
        patient_of_case: Number of each case's patient, from 0 on, (n,).
        num_patients: Patients in all.
    """
    is_positive = np.asarray(reference).astype(bool)
    p = np.asarray(probability, dtype=np.float64)
    placement_of_positive = placement(p[is_positive], p[~is_positive])
    placement_of_negative = 1 - placement(p[~is_positive], p[is_positive])
    auc = float(placement_of_positive.mean())
    own, other = patient_of_case[is_positive], patient_of_case[~is_positive]
    return AucParts(
        auc=auc,
        positive=sum_by_patient((placement_of_positive - auc) / own.size, own, num_patients=num_patients),
        negative=sum_by_patient((placement_of_negative - auc) / other.size, other, num_patients=num_patients),
        num_positive_patients=np.unique(own).size,
        num_negative_patients=np.unique(other).size,
    )


def auc_variance(reference: NDArray[Any], probability: NDArray[Any], patients: Sequence[str]) -> float | None:
    """Variance of one AUC.

    Args:
        reference: 1 for positive and 0 for negative, (n,).
        probability: Of the positive class, (n,).
        patients: The patient of each case, (n,).

    Returns:
        None with fewer than two patients in a class.
    """
    if not 0 < np.sum(reference) < len(reference):
        return None
    names, patient_of_case = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    covariance = auc_covariance([auc_parts(reference, probability, patient_of_case, num_patients=names.size)])
    return None if covariance is None else float(covariance[0, 0])


def placement(values: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of the others that lie below each value, equal ones counting half; (values,)."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, side="left")
    not_above = np.searchsorted(ordered, values, side="right")
    share: NDArray[np.float64] = (below + not_above) / (2 * ordered.size)
    return share


def sum_by_patient(
    values: NDArray[np.float64], patient_of_case: NDArray[np.intp], *, num_patients: int
) -> NDArray[np.float64]:
    """Sums the values of each patient's cases; (patients,)."""
    sums = np.zeros(num_patients)
    np.add.at(sums, patient_of_case, values)
    return sums


def auc_covariance(parts: Sequence[AucParts]) -> NDArray[np.float64] | None:
    """Covariance of AUCs of the same patients, (m, m), as Obuchowski (1997) sums it.

    Models differ in their probabilities; the classes of one target, each against the rest, differ in the reference
    too. Then the patients of a class are counted by the geometric mean over the two AUCs.

    Returns:
        None with fewer than two patients in a class.
    """
    fewest = min(min(part.num_positive_patients, part.num_negative_patients) for part in parts)
    if fewest < _LEAST_PATIENTS:
        return None
    positive = np.stack([part.positive for part in parts])
    negative = np.stack([part.negative for part in parts])
    num_patients = positive.shape[1]
    of_positive = np.sqrt([_unbiased(part.num_positive_patients) for part in parts])
    of_negative = np.sqrt([_unbiased(part.num_negative_patients) for part in parts])
    within_positive = np.outer(of_positive, of_positive) * (positive @ positive.T)
    within_negative = np.outer(of_negative, of_negative) * (negative @ negative.T)
    across = _unbiased(num_patients) * (positive @ negative.T)
    covariance: NDArray[np.float64] = within_positive + within_negative + across + across.T
    return covariance


def _unbiased(number: int) -> float:
    return number / (number - 1)


def delong_interval(auc: float, variance: float, *, confidence: float = 0.95) -> Interval | None:
    """Interval of an AUC, symmetric on the logit scale, so that it stays between 0 and 1.

    M. S. Pepe, The Statistical Evaluation of Medical Tests (2003), section 5.2.4: logit(AUC) -+ z se / (AUC (1 - AUC)).

    Returns:
        None where the variance is 0 or the AUC is 0 or 1: the cases say nothing about the spread.
    """
    if not (0 < auc < 1 and variance > _ZERO):
        return None
    reach = ndtri((1 + confidence) / 2) * math.sqrt(variance) / (auc * (1 - auc))
    low, high = expit(logit(auc) - reach), expit(logit(auc) + reach)
    return Interval(low=float(low), high=float(high), method=DELONG_LOGIT)


@dataclass(frozen=True, kw_only=True, slots=True)
class AucDifference:
    """The difference of two AUCs of the same patients.

    Attributes:
        difference: First minus second.
        standard_error: Of the difference.
        interval: 95 %, within -1 and 1.
        p_value: Two-sided, of no difference; None where the difference has no spread.
    """

    difference: float
    standard_error: float
    interval: Interval
    p_value: float | None


def delong_test(aucs: tuple[float, float], covariance: NDArray[np.float64]) -> AucDifference:
    """DeLong's paired test: the difference over its standard error is standard normal if there is none.

    Args:
        aucs: The two AUCs.
        covariance: Of the two, (2, 2).
    """
    difference = aucs[0] - aucs[1]
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    standard_error = math.sqrt(max(0.0, variance))
    reach = float(ndtri(0.975)) * standard_error
    p_value: float | None = 1.0 if abs(difference) < _ZERO else None
    if standard_error > math.sqrt(_ZERO):
        p_value = float(2 * ndtr(-abs(difference) / standard_error))
    return AucDifference(
        difference=difference,
        standard_error=standard_error,
        interval=Interval(low=max(-1.0, difference - reach), high=min(1.0, difference + reach), method=DELONG),
        p_value=p_value,
    )
