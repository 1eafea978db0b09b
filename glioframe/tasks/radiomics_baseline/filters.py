"""Which features are worth keeping, judged from training rows without their targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_selection import f_classif
from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FEWEST_ROWS_PER_FEATURE = 0.5


class UsableFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Drops features that are constant, or missing in more than half of the rows.

    If nothing is left, the first column stays, so that a case without any information still gets a probability.
    """

    def fit(self, X: NDArray[Any], y: object = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Looks for them in the training rows (n, p)."""
        known = np.isfinite(X)
        low = np.where(known, X, np.inf).min(axis=0)
        high = np.where(known, X, -np.inf).max(axis=0)
        varies = high - low > 1e-12 * np.maximum(np.maximum(np.abs(high), np.abs(low)), 1e-300)
        kept = np.flatnonzero(varies & (known.mean(axis=0) >= _FEWEST_ROWS_PER_FEATURE))
        self.kept_ = kept if len(kept) else np.array([0])
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:  # noqa: N803
        """The rows with the usable columns."""
        check_is_fitted(self)
        chosen: NDArray[Any] = X[:, self.kept_]
        return chosen


class Uncorrelated(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Of features that correlate more than ``largest``, keeps the one that comes first.

    Attributes:
        largest: Absolute Pearson correlation.
    """

    def __init__(self, largest: float = 0.95) -> None:
        self.largest = largest

    def fit(self, X: NDArray[Any], y: object = None) -> Self:  # noqa: N803
        """Goes through the columns of the training rows (n, p) in order."""
        centered = X - X.mean(axis=0)
        norm = np.sqrt((centered**2).sum(axis=0))
        unit = centered / np.where(norm > 0, norm, 1.0)
        correlation = np.abs(unit.T @ unit)
        is_kept = np.ones(X.shape[1], dtype=bool)
        for column in range(X.shape[1]):
            if is_kept[column]:
                is_kept[column + 1 :] &= correlation[column, column + 1 :] <= self.largest
        self.kept_ = np.flatnonzero(is_kept)
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:  # noqa: N803
        """The rows with the kept columns."""
        check_is_fitted(self)
        chosen: NDArray[Any] = X[:, self.kept_]
        return chosen


class Strongest(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Keeps the features that differ most between the classes, by the F test of a one-way analysis of variance.

    It sees targets, and so belongs inside of every split.

    Attributes:
        most: How many; 0 for all.
    """

    def __init__(self, most: int = 0) -> None:
        self.most = most

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> Self:  # noqa: N803
        """Ranks the columns of the training rows (n, p) with classes (n,)."""
        self.kept_ = np.arange(X.shape[1])
        if 0 < self.most < X.shape[1]:
            with np.errstate(all="ignore"):
                strength = np.nan_to_num(f_classif(X, y)[0], nan=-1.0, posinf=np.finfo(float).max)
            self.kept_ = np.sort(np.argsort(-strength, kind="stable")[: self.most])
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:  # noqa: N803
        """The rows with the kept columns."""
        check_is_fitted(self)
        chosen: NDArray[Any] = X[:, self.kept_]
        return chosen


def intraclass_correlation(ratings_NR: NDArray[np.float64]) -> float:  # noqa: N803 - N cases, R ratings
    """ICC(2,1), absolute agreement of single ratings: P. E. Shrout and J. L. Fleiss, Psychol. Bull. 86 (1979) 420-428.

    Cases with a missing rating are left out; 0 with fewer than three cases or without any spread.
    """
    ratings = ratings_NR[np.isfinite(ratings_NR).all(axis=1)]
    n, k = ratings.shape
    fewest = 3
    if n < fewest:
        return 0.0
    grand = ratings.mean()
    rows = k * ((ratings.mean(axis=1) - grand) ** 2).sum() / (n - 1)
    columns = n * ((ratings.mean(axis=0) - grand) ** 2).sum() / (k - 1)
    residual = ratings - ratings.mean(axis=1, keepdims=True) - ratings.mean(axis=0) + grand
    error = (residual**2).sum() / ((n - 1) * (k - 1))
    spread = rows + (k - 1) * error + k * (columns - error) / n
    return float((rows - error) / spread) if spread > 0 else 0.0
