"""SHAP values of single predictions: how much each feature moved a case's score.

S. M. Lundberg and S.-I. Lee, NeurIPS 30 (2017); for trees exact after Nature Machine Intelligence 2 (2020) 56-67.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.tasks.radiomics_baseline.settings import Classifier
    from glioframe.tasks.radiomics_baseline.stored_model import TrainedModel
    from glioframe.tasks.radiomics_baseline.table import FeatureTable

_MOST_BACKGROUND = 50
_EVALUATIONS_PER_FEATURE = 4
"""Each feature joins and leaves the others in two random orders; more would not make a picture clearer."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Explanation:
    """Of some cases by one model, for its last class.

    Attributes:
        case_ids: The rows.
        names: The features that the classifier was given.
        contributions: To the classifier's score of the last class, (n, q). Forests are explained in probability,
            the others in log odds or distance from the margin.
        inputs: Standardized values of the features, (n, q).
    """

    case_ids: tuple[str, ...]
    names: tuple[str, ...]
    contributions: NDArray[np.float64]
    inputs: NDArray[np.float64]


def explain(trained: TrainedModel, table: FeatureTable, classifier: Classifier) -> Explanation:
    """Explains the rows of ``table`` against the model's own training rows."""
    scorer = trained.model.scorer
    before, classify = scorer.pipeline[:-1], scorer.pipeline[-1]
    inputs = before.transform(scorer.inputs(table))
    background = before.transform(scorer.inputs(trained.training))
    contributions = np.asarray(_shap_values(classify, inputs, background, classifier), dtype=np.float64)
    if contributions.ndim > inputs.ndim:
        contributions = contributions[..., -1]
    return Explanation(case_ids=table.case_ids, names=_names_after(trained), contributions=contributions, inputs=inputs)


def _shap_values(
    classify: Any,  # noqa: ANN401 - scikit-learn is untyped
    inputs: NDArray[np.float64],
    background: NDArray[np.float64],
    classifier: Classifier,
) -> Any:  # noqa: ANN401 - shap is untyped
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # of the way in which shap makes its color maps
        import shap

    # shap reads boosted trees of two classes only.
    boosted = classifier == "gradient_boosting" and len(classify.classes_) == len(("negative", "positive"))
    if classifier == "random_forest" or boosted:
        return shap.TreeExplainer(classify).shap_values(inputs, check_additivity=False)
    if classifier in {"ridge", "elastic_net"}:
        return shap.LinearExplainer(classify, shap.maskers.Independent(background, max_samples=len(background)))(
            inputs
        ).values
    step = max(1, len(background) // _MOST_BACKGROUND)
    explainer = shap.PermutationExplainer(classify.decision_function, background[::step], seed=0)
    evaluations = max(_EVALUATIONS_PER_FEATURE * inputs.shape[1], 2 * inputs.shape[1] + 1)
    return explainer(inputs, max_evals=evaluations, silent=True).values


def _names_after(trained: TrainedModel) -> tuple[str, ...]:
    """The names of the columns that reach the classifier."""
    names = np.array(trained.training.names, dtype=object)
    for step in ("usable", "uncorrelated", "strongest"):
        names = names[trained.model.scorer.pipeline[step].kept_]
    return tuple(names)
