"""The standardized uptake value: activity relative to an even spread of the injected activity over the body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from glioframe.core.errors import DatasetError
from glioframe.pet.decay import remaining_fraction

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Values outside of these ranges are slips of the unit (MBq for Bq, g for kg), never patients.
_INJECTED_ACTIVITY_BQ = (1e6, 5e9)
_WEIGHT_KG = (1.0, 500.0)
_GRAMS_PER_KG = 1000.0
_BRAIN_SUV = (0.3, 3.0)


def suv_factor(
    *,
    injected_activity_bq: float | None,
    weight_kg: float | None,
    half_life_s: float | None = None,
    reference_s: float = 0.0,
    where: str = "SUV",
) -> float:
    """What to multiply an activity in Bq/mL with to get SUV by body weight, in g/mL.

    SUV = C w 1000 / (A 2^(-t / half-life)), with C in Bq/mL, w in kg, A in Bq at injection and t the time from
    injection to the moment that C is decay-corrected to.

    Args:
        injected_activity_bq: At the time of injection; None when unknown.
        weight_kg: Of the patient; None when unknown.
        half_life_s: Of the radionuclide; needed when ``reference_s`` is not 0.
        reference_s: The time that the image is decay-corrected to, in seconds from injection.
        where: The case or file, for messages.

    Raises:
        DatasetError: Weight or injected activity is absent or impossible, or the half-life is needed and absent.
    """
    weight = _checked(weight_kg, "weight_kg", limits=_WEIGHT_KG, unit="kg", where=where)
    activity = _checked(
        injected_activity_bq, "injected_activity_bq", limits=_INJECTED_ACTIVITY_BQ, unit="Bq", where=where
    )
    if reference_s == 0.0:
        return weight * _GRAMS_PER_KG / activity
    if half_life_s is None:
        raise DatasetError(
            where,
            expected="the half-life, because the image is not decay-corrected to injection",
            found="none",
            fix="State the radionuclide",
        )
    return weight * _GRAMS_PER_KG / (activity * remaining_fraction(reference_s, half_life_s=half_life_s))


def suv_bw(
    activity_bq_ml: NDArray[Any],
    *,
    injected_activity_bq: float | None,
    weight_kg: float | None,
    half_life_s: float | None = None,
    reference_s: float = 0.0,
    where: str = "SUV",
) -> NDArray[np.float32]:
    """SUV by body weight of an activity in Bq/mL; see ``suv_factor``."""
    factor = suv_factor(
        injected_activity_bq=injected_activity_bq,
        weight_kg=weight_kg,
        half_life_s=half_life_s,
        reference_s=reference_s,
        where=where,
    )
    return np.asarray(activity_bq_ml, dtype=np.float32) * np.float32(factor)


def is_plausible_brain_suv(mean_suv: float) -> bool:
    """Whether a mean over the whole brain can be an SUV of an amino acid, and not Bq/mL or a TBR of a wrong scale."""
    return _BRAIN_SUV[0] <= mean_suv <= _BRAIN_SUV[1]


def _checked(value: float | None, name: str, *, limits: tuple[float, float], unit: str, where: str) -> float:
    low, high = limits
    if value is None or not low <= value <= high:
        raise DatasetError(
            where,
            expected=f"{name} between {low:g} and {high:g} {unit}, because SUV needs it",
            found="none" if value is None else f"{value:g}",
            fix=f"Fill in {name} in cases.tsv, or use tbr, which needs neither activity nor weight",
        )
    return float(value)
