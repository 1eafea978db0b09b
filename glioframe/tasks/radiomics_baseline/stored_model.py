"""A fitted model on disk without pickle: its training rows and every choice, from which it is fitted again.

Fitting takes seconds and is repeatable; whether the installed scikit-learn repeats it is checked against the stored
scores of the training rows.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import sklearn
from numpy.typing import NDArray

from glioframe.artifacts.json_file import STRICT, load_json, save_json
from glioframe.core.errors import PredictionError
from glioframe.core.files import atomic_path, sha256_of_file
from glioframe.tasks.radiomics_baseline.calibration import Calibration
from glioframe.tasks.radiomics_baseline.classifiers import Parameters
from glioframe.tasks.radiomics_baseline.extraction_settings import ExtractionSettings
from glioframe.tasks.radiomics_baseline.model import Model, fit_scorer
from glioframe.tasks.radiomics_baseline.settings import Settings
from glioframe.tasks.radiomics_baseline.table import FeatureTable

_DESCRIPTION, _ROWS = "radiomics.json", "radiomics.npz"
_TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredModel:
    """``radiomics.json``; the training rows stand beside it in ``radiomics.npz``.

    Attributes:
        schema_version: Of this file.
        settings: Of the task.
        extraction: How features are computed; None for a given table.
        seed: Of the trees.
        parameters: Chosen in the inner folds.
        calibration: Learned there.
        operating_point: Chosen there.
        inner_auc: Found there; None without inner folds.
        scikit_learn: The version that fitted.
        rows: SHA-256 of the training rows' file.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    schema_version: Literal[1] = 1
    settings: Settings
    extraction: ExtractionSettings | None
    seed: int
    parameters: Parameters
    calibration: Calibration
    operating_point: float
    inner_auc: float | None
    scikit_learn: str = field(default_factory=lambda: str(sklearn.__version__))
    rows: str


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedModel:
    """A model with what it was fitted to.

    Attributes:
        model: Ready to predict.
        training: Its rows, without the names of their cases.
    """

    model: Model
    training: FeatureTable


def is_stored(folder: Path) -> bool:
    """Whether the fold was trained to its end."""
    return (folder / _DESCRIPTION).is_file()


def save_model(
    model: Model,
    table: FeatureTable,
    classes: NDArray[np.int64],
    folder: Path,
    *,
    settings: Settings,
    extraction: ExtractionSettings | None,
    seed: int,
) -> None:
    """Writes both files; the description last, so that its presence means that the model is complete."""
    with atomic_path(folder / _ROWS) as partial, partial.open("wb") as stream:
        np.savez_compressed(
            stream,
            values=table.values,
            names=np.array(table.names, dtype=str),
            sites=np.array(table.sites, dtype=str),
            classes=classes,
            scores=model.scorer.scores(table),
        )
    description = StoredModel(
        settings=settings,
        extraction=extraction,
        seed=seed,
        parameters=model.parameters,
        calibration=model.calibration,
        operating_point=model.operating_point,
        inner_auc=model.inner_auc if np.isfinite(model.inner_auc) else None,
        rows=sha256_of_file(folder / _ROWS),
    )
    save_json(description, folder / _DESCRIPTION)


def load_description(folder: Path) -> StoredModel:
    """What was chosen for a fold.

    Raises:
        ArtifactError: The fold is not trained, or the file is malformed.
    """
    return load_json(StoredModel, folder / _DESCRIPTION)


def load_model(folder: Path) -> TrainedModel:
    """Fits the model of a fold again; kept in memory, so that many cases cost one fit.

    Raises:
        ArtifactError: The fold is not trained.
        PredictionError: Files were changed, or scikit-learn's version fits otherwise.
    """
    return _fitted_again(folder, sha256_of_file(folder / _DESCRIPTION) if is_stored(folder) else "")


@lru_cache(maxsize=16)
def _fitted_again(folder: Path, digest: str) -> TrainedModel:  # noqa: ARG001 - part of the cache's key
    stored = load_description(folder)
    if not (folder / _ROWS).is_file() or sha256_of_file(folder / _ROWS) != stored.rows:
        raise PredictionError(
            folder / _ROWS,
            expected=f"the training rows that {_DESCRIPTION} was written for",
            found="other ones, or none",
            fix="Restore both files, or train the fold again",
        )
    with np.load(folder / _ROWS) as arrays:
        names, sites, classes = arrays["names"].tolist(), arrays["sites"].tolist(), arrays["classes"]
        values, scores = arrays["values"], arrays["scores"]
    nobody = ("",) * len(classes)
    training = FeatureTable(case_ids=nobody, subjects=nobody, sites=tuple(sites), names=tuple(names), values=values)
    scorer = fit_scorer(training, classes, stored.settings, stored.parameters, seed=stored.seed)
    if not np.allclose(scorer.scores(training), scores, rtol=_TOLERANCE, atol=_TOLERANCE):
        raise PredictionError(
            folder,
            expected=f"scikit-learn {stored.scikit_learn}, which fitted this model, or one that fits the same",
            found=f"{sklearn.__version__}, which fits otherwise",
            fix="Install that version, or train again",
        )
    model = Model(
        scorer=scorer,
        parameters=stored.parameters,
        calibration=stored.calibration,
        operating_point=stored.operating_point,
        inner_auc=float("nan") if stored.inner_auc is None else stored.inner_auc,
    )
    return TrainedModel(model=model, training=training)
