"""A classifier of feature rows, tuned, calibrated and given its operating point inside the rows it is fitted to."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline

from glioframe.core.errors import TaskError
from glioframe.core.progress import SilentProgress
from glioframe.core.seeds import derive_seed
from glioframe.evaluation.discrimination import auc
from glioframe.evaluation.operating_point import NEUTRAL, choose_operating_point
from glioframe.tasks.radiomics_baseline.calibration import Calibration, fit_calibration
from glioframe.tasks.radiomics_baseline.classifiers import (
    Parameters,
    build_classification,
    build_preparation,
    class_scores,
    parameter_grid,
)
from glioframe.tasks.radiomics_baseline.combat import Combat, fit_combat
from glioframe.tasks.radiomics_baseline.table import CLINICAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from glioframe.core.progress import Progress
    from glioframe.tasks.radiomics_baseline.settings import Settings
    from glioframe.tasks.radiomics_baseline.table import FeatureTable

    Split = tuple[NDArray[np.int64], NDArray[np.int64]]

_NUM_FOLDS = 5
_FEWEST_FOLDS = 2
_BINARY = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Scorer:
    """A fitted pipeline.

    Attributes:
        combat: The sites' effects; None without harmonization.
        pipeline: From harmonized features to scores.
    """

    combat: Combat | None
    pipeline: Pipeline

    def inputs(self, table: FeatureTable) -> NDArray[np.float64]:
        """The rows as the pipeline takes them, (n, p)."""
        return _harmonized(table, self.combat)

    def scores(self, table: FeatureTable) -> NDArray[np.float64]:
        """One per row and class, (n, k)."""
        return class_scores(self.pipeline, self.inputs(table))


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """What is fitted to training rows.

    Attributes:
        scorer: Refitted to all of them.
        parameters: Chosen in the inner folds.
        calibration: Learned from the inner folds' held-out scores.
        operating_point: Of the calibrated probability, chosen on the same; 0.5 for more than two classes.
        inner_auc: Of the held-out scores under the chosen parameters; NaN without inner folds. It was the highest of
            several and so flatters.
    """

    scorer: Scorer
    parameters: Parameters
    calibration: Calibration
    operating_point: float
    inner_auc: float

    def probabilities(self, table: FeatureTable) -> NDArray[np.float64]:
        """Of each class, (n, k)."""
        return self.calibration.probabilities(self.scorer.scores(table))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Prepared:
    """What was learned from training rows without their targets, and the rows as it leaves them, (n, q)."""

    combat: Combat | None
    preparation: Pipeline
    values: NDArray[np.float64]


def fit_scorer(
    table: FeatureTable, classes: NDArray[np.int64], settings: Settings, parameters: Parameters, *, seed: int
) -> Scorer:
    """Fits harmonization, filters, selection and classifier to the rows of ``table`` and to nothing else."""
    return _fit_classification(_prepare(table, settings), classes, settings, parameters, seed=seed)


def _prepare(table: FeatureTable, settings: Settings) -> _Prepared:
    combat = None
    if settings.harmonize == "combat":
        is_clinical = np.array([name.startswith(CLINICAL) for name in table.names])
        combat = fit_combat(table.values, table.sites, untouched=is_clinical)
    preparation = build_preparation(max_correlation=settings.max_correlation)
    return _Prepared(
        combat=combat, preparation=preparation, values=preparation.fit_transform(_harmonized(table, combat))
    )


def _harmonized(table: FeatureTable, combat: Combat | None) -> NDArray[np.float64]:
    """The rows without the sites' effects, (n, p); as they are without harmonization."""
    return table.values if combat is None else combat.harmonized(table.values, table.sites)


def _fit_classification(
    prepared: _Prepared, classes: NDArray[np.int64], settings: Settings, parameters: Parameters, *, seed: int
) -> Scorer:
    classification = build_classification(settings.classifier, parameters, seed=derive_seed(seed, "classifier"))
    with warnings.catch_warnings():
        # A fit that stops early is judged by its held-out rows as any other.
        warnings.simplefilter("ignore", ConvergenceWarning)
        classification.fit(prepared.values, classes)
    fitted = Pipeline([*prepared.preparation.steps, *classification.steps])
    return Scorer(combat=prepared.combat, pipeline=fitted)


def fit_model(
    table: FeatureTable, classes: NDArray[np.int64], settings: Settings, *, seed: int, progress: Progress | None = None
) -> Model:
    """Tunes by inner folds of whole subjects, calibrates on their held-out rows, and fits to all rows.

    Without two inner folds that hold all classes, the first parameters of the grid are taken uncalibrated.

    Args:
        table: Training rows.
        classes: Index of each row's class, (n,), from 0.
        settings: Of the task.
        seed: Of folds and trees.
        progress: Where to show how far it is.

    Raises:
        TaskError: There is one class only.
    """
    num_classes = _num_classes(classes)
    splits = grouped_folds(classes, table.subjects, num_folds=_NUM_FOLDS, seed=derive_seed(seed, "inner_folds"))
    grid = parameter_grid(settings.classifier)
    tracked = (progress or SilentProgress()).track(splits, step="tune", total=len(splits))
    every = _held_out(table, classes, settings, grid, tracked, seed)
    rows = np.sort(np.concatenate([test for _, test in splits])) if splits else np.array([], dtype=np.int64)
    areas = [_mean_auc(classes[rows], scores[rows]) for scores in every] if splits else []
    best = int(np.argmax(areas)) if areas else 0
    held_out = every[best][rows]
    calibration = fit_calibration(held_out, classes[rows])
    operating_point = NEUTRAL
    if splits and num_classes == _BINARY:
        operating_point = choose_operating_point(classes[rows], calibration.probabilities(held_out)[:, 1])
    return Model(
        scorer=fit_scorer(table, classes, settings, grid[best], seed=seed),
        parameters=grid[best],
        calibration=calibration,
        operating_point=operating_point,
        inner_auc=areas[best] if areas else float("nan"),
    )


def nested_cross_validation(
    table: FeatureTable,
    classes: NDArray[np.int64],
    settings: Settings,
    *,
    num_folds: int = _NUM_FOLDS,
    seed: int = 0,
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    """Held-out probabilities of each class (n, k): every row by a model that was tuned and fitted without its subject.

    Args:
        table: All rows.
        classes: Index of each row's class, (n,), from 0.
        settings: Of the task; those of the extraction do not matter.
        num_folds: Outer folds, of whole subjects, stratified by class.
        seed: Of folds and trees.
        progress: Where to show how far it is.

    Returns:
        NaN in the rows of an outer fold whose training rows lack a class.

    Raises:
        TaskError: There is one class only, or a class has a single subject.
    """
    probabilities = np.full((len(classes), _num_classes(classes)), np.nan)
    splits = grouped_folds(classes, table.subjects, num_folds=num_folds, seed=derive_seed(seed, "outer_folds"))
    if not splits:
        raise TaskError(
            "nested cross-validation",
            expected="two subjects or more of each class",
            found="a class with one",
            fix="Add subjects, or merge classes",
        )
    for fold, (train, test) in enumerate((progress or SilentProgress()).track(splits, step="folds", total=len(splits))):
        model = fit_model(table.rows(train), classes[train], settings, seed=derive_seed(seed, "fold", fold))
        probabilities[test] = model.probabilities(table.rows(test))
    return probabilities


def grouped_folds(classes: NDArray[np.int64], subjects: Sequence[str], *, num_folds: int, seed: int) -> list[Split]:
    """Train and test rows of folds of whole subjects, stratified by class; fewer where a class has fewer subjects.

    A fold that leaves too few classes to train on is dropped; with less than two folds, there are none.
    """
    names = np.asarray(subjects)
    every = np.unique(classes)
    fewest = min(len(np.unique(names[classes == index])) for index in every)
    num_folds = min(num_folds, fewest)
    if num_folds < _FEWEST_FOLDS:
        return []
    dealer = StratifiedGroupKFold(n_splits=num_folds, shuffle=True, random_state=seed % 2**32)
    splits = [
        (train, test)
        for train, test in dealer.split(classes, classes, groups=names)
        if len(test) and len(np.unique(classes[train])) == len(every)
    ]
    return splits if len(splits) >= _FEWEST_FOLDS else []


def _held_out(
    table: FeatureTable,
    classes: NDArray[np.int64],
    settings: Settings,
    grid: Sequence[Parameters],
    splits: Iterable[Split],
    seed: int,
) -> NDArray[np.float64]:
    """Scores (g, n, k) of the test rows of all splits, under each of the parameters; 0 elsewhere."""
    found = np.zeros((len(grid), len(classes), _num_classes(classes)))
    for train, test in splits:
        prepared = _prepare(table.rows(train), settings)
        for index, parameters in enumerate(grid):
            scorer = _fit_classification(prepared, classes[train], settings, parameters, seed=seed)
            found[index, test] = scorer.scores(table.rows(test))
    return found


def _mean_auc(classes: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Of each class against the rest, averaged; of two classes, the AUC."""
    first = 1 if scores.shape[1] == _BINARY else 0
    areas = [auc(classes == index, scores[:, index]) for index in range(first, scores.shape[1])]
    defined = [area for area in areas if not np.isnan(area)]
    return float(np.mean(defined)) if defined else 1 / 2


def _num_classes(classes: NDArray[np.int64]) -> int:
    present = np.unique(classes)
    if len(present) < _BINARY or present[-1] != len(present) - 1:
        raise TaskError(
            "training cases",
            expected="every class of the target, two at least",
            found=f"classes {', '.join(map(str, present))}",
            fix="Add cases of the absent classes",
        )
    return len(present)
