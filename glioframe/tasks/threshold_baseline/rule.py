"""A rule of one variable: a direction, a cut-off, and a probability that rises or falls with the value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.linear_model import LogisticRegression

from glioframe.artifacts.json_file import STRICT
from glioframe.core.errors import TaskError
from glioframe.evaluation.discrimination import auc
from glioframe.evaluation.operating_point import choose_operating_point

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_SLOPE = 0.05
"""Per standard deviation. An outlier may turn the logistic fit around; the ranking of the cases decides instead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ThresholdRule:
    """What a fold learned.

    Attributes:
        quantity: What is measured.
        channel: In which raw channel.
        slope: Change of the log odds per unit of the quantity; negative where low values speak for the positive class.
        intercept: Log odds at 0.
        cutoff: Of the quantity: the value that Youden's index chose.
        operating_point: The probability at the cut-off.
        prevalence: Share of the positive class: the probability of a case that the quantity is unknown of.
        num_cases: Cases that it was learned from.
        auc: Of the quantity in these cases, in the direction of the rule.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    quantity: str
    channel: str
    slope: float
    intercept: float
    cutoff: float
    operating_point: float
    prevalence: float
    num_cases: int
    auc: float

    def probability(self, value: float) -> float:
        """Of the positive class."""
        if not math.isfinite(value):
            return self.prevalence
        return float(1 / (1 + np.exp(-(self.intercept + self.slope * value))))


def fit_rule(
    values: NDArray[np.float64], reference: NDArray[np.int64], *, quantity: str, channel: str
) -> ThresholdRule:
    """Learns direction, probability and cut-off.

    The direction is that in which the AUC is 0.5 or more. The probability is a logistic function of the value, which
    is monotone and so keeps the AUC; the cut-off maximizes Youden's index.

    Args:
        values: One per case, (n,); NaN for unknown, which is left out.
        reference: 1 for positive and 0 for negative, (n,).
        quantity: The name of the values.
        channel: Where they were measured.

    Raises:
        TaskError: The values of the known cases are all equal, or one class has none.
    """
    known = np.isfinite(values)
    prevalence = float(reference.mean())
    values, reference = values[known], reference[known]
    if len(np.unique(reference)) != len((0, 1)) or np.ptp(values) == 0:
        raise TaskError(
            f"{quantity} of {channel}",
            expected="values that differ, in training cases of both classes",
            found=f"{np.unique(values).size} distinct values in {int((reference == 1).sum())} positive and "
            f"{int((reference == 0).sum())} negative cases",
            fix="Choose another quantity, or add cases that have the channel",
        )
    area = auc(reference, values)
    sign = 1.0 if area >= 1 / 2 else -1.0
    center, spread = float(values.mean()), float(values.std())
    oriented = sign * (values - center) / spread
    fitted = LogisticRegression(C=1.0).fit(oriented[:, None], reference)
    per_deviation = max(float(fitted.coef_[0, 0]), _LEAST_SLOPE)
    slope = sign * per_deviation / spread
    intercept = float(fitted.intercept_[0]) - slope * center
    probabilities = 1 / (1 + np.exp(-(intercept + slope * values)))
    operating_point = choose_operating_point(reference, probabilities)
    return ThresholdRule(
        quantity=quantity,
        channel=channel,
        slope=slope,
        intercept=intercept,
        cutoff=(math.log(operating_point / (1 - operating_point)) - intercept) / slope,
        operating_point=operating_point,
        prevalence=prevalence,
        num_cases=len(values),
        auc=max(area, 1 - area),
    )
