"""The classifiers: what each is made of, and what is tried when it is tuned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from glioframe.tasks.radiomics_baseline.filters import Strongest, Uncorrelated, UsableFeatures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.tasks.radiomics_baseline.settings import Classifier

Parameters = dict[str, int | float]
"""Values of the tuned parameters by name."""

_ALL = 0
_GRIDS: dict[str, dict[str, list[int] | list[float]]] = {
    "ridge": {"num_features": [8, 32, _ALL], "C": [1e-3, 1e-2, 1e-1, 1.0]},
    "elastic_net": {"num_features": [_ALL], "C": [1e-2, 1e-1, 1.0], "l1_ratio": [0.5, 0.9]},
    "svm": {"num_features": [8, 32, _ALL], "C": [0.1, 1.0, 10.0]},
    "random_forest": {"num_features": [_ALL], "min_samples_leaf": [5, 3, 1]},
    "gradient_boosting": {"num_features": [_ALL], "max_depth": [1, 2, 3]},
}
_CERTAIN = 1e-6


def parameter_grid(classifier: Classifier) -> list[Parameters]:
    """The combinations to try, from the simplest model to the most flexible one."""
    return [dict(parameters) for parameters in ParameterGrid(_GRIDS[classifier])]


def build_preparation(*, max_correlation: float) -> Pipeline:
    """What is learned from training rows without their targets, and so is the same for all parameters.

    Args:
        max_correlation: Of two features that correlate more, one is left out.
    """
    return Pipeline(
        [
            ("usable", UsableFeatures()),
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("uncorrelated", Uncorrelated(largest=max_correlation)),
            ("scale", StandardScaler()),
        ]
    )


def build_classification(classifier: Classifier, parameters: Parameters, *, seed: int) -> Pipeline:
    """What is learned from prepared training rows and their targets: selection and classifier.

    Args:
        classifier: The kind.
        parameters: One of :func:`parameter_grid`.
        seed: Of the trees.
    """
    own = {name: value for name, value in parameters.items() if name != "num_features"}
    return Pipeline(
        [
            ("strongest", Strongest(most=int(parameters["num_features"]))),
            ("classify", _estimator(classifier, own, seed % 2**32)),
        ]
    )


def class_scores(pipeline: Pipeline, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log odds, or what stands for them, of each class (n, k); for two classes the first is 0."""
    classify = pipeline[-1]
    if hasattr(classify, "decision_function") and not isinstance(classify, GradientBoostingClassifier):
        scores = np.asarray(pipeline.decision_function(values), dtype=np.float64)
    else:
        scores = np.log(np.clip(pipeline.predict_proba(values), _CERTAIN, 1.0))
        if scores.shape[1] == len(("negative", "positive")):
            scores = scores[:, 1] - scores[:, 0]
    return np.stack([np.zeros_like(scores), scores], axis=1) if scores.ndim == 1 else scores


def _estimator(classifier: Classifier, parameters: Parameters, seed: int) -> Any:  # noqa: ANN401 - sklearn is untyped
    if classifier == "ridge":
        return LogisticRegression(**parameters, max_iter=2000)
    if classifier == "elastic_net":
        return LogisticRegression(**parameters, solver="saga", max_iter=2000, tol=1e-3, random_state=seed)
    if classifier == "svm":
        return SVC(**parameters, kernel="rbf", gamma="scale")
    if classifier == "random_forest":
        return RandomForestClassifier(**parameters, n_estimators=200, max_features="sqrt", random_state=seed)
    return GradientBoostingClassifier(
        **parameters, n_estimators=100, subsample=0.8, max_features="sqrt", random_state=seed
    )
