"""Are two models interchangeable? Swap them, patient by patient, and see how unusual the truth is.

A. I. Bandos, H. E. Rockette and D. Gur, Stat. Med. 24 (2005) 2873-2893. Probabilities become ranks within each
model first, because swapping only makes sense on a shared scale: E. S. Venkatraman and C. B. Begg, Biometrika 83
(1996) 835-848.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from glioframe.evaluation.delong import placement, sum_by_patient

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_PATIENTS_ENUMERATED = 14
_TIE = 1e-12
_LARGEST_BLOCK = 2_000_000


def swap_effects(
    reference: NDArray[Any],
    first: NDArray[Any],
    second: NDArray[Any],
    patient_of_case: NDArray[np.intp],
    *,
    num_patients: int,
) -> NDArray[np.float64]:
    """How each patient moves the difference of the AUCs when the two models are swapped for that patient.

    With a sign of +1 for patients left as they are and -1 for swapped ones, the difference is the sum of sign x
    effect: for each pair of cases the swapped scores are one of four known comparisons, and the products of signs
    cancel between the two models. Only the sums remain.

    Args:
        reference: 1 for positive and 0 for negative, (n,); both must occur.
        first: Probabilities of the first model, (n,).
        second: Probabilities of the second model, (n,).
        patient_of_case: Number of each case's patient, from 0 on, (n,).
        num_patients: Patients in all.

    Returns:
        One effect per patient; they add up to the AUC of the first model minus that of the second.
    """
    from scipy.stats import rankdata  # a fifth of all that a training imports, and it compares nothing

    is_positive = np.asarray(reference).astype(bool)
    a, b = rankdata(first), rankdata(second)
    a_positive, a_negative, b_positive, b_negative = a[is_positive], a[~is_positive], b[is_positive], b[~is_positive]
    effect = np.empty(is_positive.size)
    effect[is_positive] = (
        placement(a_positive, a_negative)
        + placement(a_positive, b_negative)
        - placement(b_positive, a_negative)
        - placement(b_positive, b_negative)
    ) / (2 * a_positive.size)
    effect[~is_positive] = (
        placement(b_negative, b_positive)
        + placement(b_negative, a_positive)
        - placement(a_negative, b_positive)
        - placement(a_negative, a_positive)
    ) / (2 * a_negative.size)
    return sum_by_patient(effect, patient_of_case, num_patients=num_patients)


def permutation_p_value(effects: NDArray[np.float64], *, num_permutations: int = 10_000, seed: int = 0) -> float:
    """Two-sided p value of the observed difference, the sum of the effects.

    Exact over all swaps up to 14 patients whose swap matters. Beyond, over random swaps with the observed one
    counted among them, so that it is never 0: B. Phipson and G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39.
    """
    observed = abs(float(effects.sum()))
    moving = effects[np.abs(effects) > _TIE]
    if moving.size <= MOST_PATIENTS_ENUMERATED:
        signs = 1 - 2 * (np.arange(2**moving.size)[:, None] >> np.arange(moving.size) & 1)
        return float((np.abs(signs @ moving) >= observed - _TIE).mean())
    rng = np.random.default_rng(seed)
    as_unusual, remaining = 0, num_permutations
    while remaining:
        rows = min(remaining, max(1, _LARGEST_BLOCK // moving.size))
        signs = 1 - 2 * rng.integers(0, 2, size=(rows, moving.size), dtype=np.int8)
        as_unusual += int(np.count_nonzero(np.abs(signs @ moving) >= observed - _TIE))
        remaining -= rows
    return (1 + as_unusual) / (1 + num_permutations)
