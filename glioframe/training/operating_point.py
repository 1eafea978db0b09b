"""``operating_point.json``: threshold and temperature, fixed inside the fold. Written last, it ends a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Le

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.artifacts.json_file import STRICT, load_json, save_json
from glioframe.evaluation.operating_point import choose_operating_point
from glioframe.training import checkpoint
from glioframe.training.fold_data import FoldData
from glioframe.training.members import member_runs
from glioframe.training.memory_fallback import as_trained
from glioframe.training.temperature import fit_temperature, tempered

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from glioframe.task_api.run import Run
    from glioframe.task_api.task import Task
    from glioframe.training.gradient_types import Sampling

FILE_NAME = "operating_point.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatingPoint:
    """From which probability of the positive class on a case is called positive.

    Attributes:
        probability: The threshold.
        num_positive: Inner cases of the positive class that it was chosen on.
        num_negative: Inner cases of the negative class that it was chosen on.
        temperature: By which log-probabilities are divided; 1 where nothing was learned.
        num_calibration: Inner cases that the temperature was learned on.
        training: Hash of all that decided what training did.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    probability: Annotated[float, Ge(0), Le(1)]
    num_positive: int
    num_negative: int
    temperature: Annotated[float, Gt(0)] = 1.0
    num_calibration: int = 0
    training: str


def choose_on_inner_cases(
    task: Task[Any], run: Run[Any], *, inner_ids: Sequence[str], calibrates: bool, training: str
) -> OperatingPoint:
    """The threshold with the highest balanced accuracy on the inner cases, predicted exactly as new cases will be.

    It is 0.5 for a target of more than two classes, as a threshold divides two, and without cases of both. Where the
    task calibrates, the temperature is learned first, and the threshold is chosen at it.
    """
    is_binary = run.target is not None and run.target.is_binary
    if not (is_binary or calibrates):
        inner_ids = ()
    predictions = [task.predict(run, load_preprocessed_case(run.preprocessed_folder, case_id)) for case_id in inner_ids]
    classes = run.class_indices() if inner_ids else {}
    references = np.array([classes[case_id] for case_id in inner_ids], dtype=np.int64)
    probabilities = [prediction.probabilities for prediction in predictions]
    temperature = fit_temperature(np.array(probabilities), references) if calibrates else 1.0
    if not is_binary:
        references, probabilities = references[:0], []
    positive = np.array([tempered(each, temperature)[-1] for each in probabilities])
    return OperatingPoint(
        probability=choose_operating_point(references, positive),
        num_positive=int((references == 1).sum()),
        num_negative=int((references == 0).sum()),
        temperature=temperature,
        num_calibration=len(inner_ids) if calibrates else 0,
        training=training,
    )


def choose_anew(task: Task[Any], run: Run[Any], *, sampling: Sampling, calibrates: bool) -> None:
    """Chooses the operating point of a fold whose networks are trained, and writes it, which ends the training."""
    (run.folder / FILE_NAME).unlink(missing_ok=True)  # a temperature in it would count twice
    fold = as_trained(run)
    data = FoldData(fold, sampling)
    point = choose_on_inner_cases(task, fold, inner_ids=data.inner_ids, calibrates=calibrates, training=data.identity)
    save_json(point, run.folder / FILE_NAME)
    for each in member_runs(fold):
        (each.folder / checkpoint.PREVIOUS).unlink(missing_ok=True)  # until now, going on might have needed it


def is_chosen(run: Run[Any], *, sampling: Sampling) -> bool:
    """Whether the fold has been trained to the end.

    Raises:
        TrainingError: It was, but with other settings.
    """
    path, weights = run.folder / FILE_NAME, [each.folder / checkpoint.FINAL for each in member_runs(run)]
    if not all(file.is_file() for file in (path, *weights)):
        return False
    fold = as_trained(run)
    if load_operating_point(run.folder).training != FoldData(fold, sampling).identity:
        raise checkpoint.other_training(weights[0])
    return True


def load_operating_point(folder: Path) -> OperatingPoint:
    """Of a trained fold.

    Raises:
        ArtifactError: The fold is not trained, or the file is malformed.
    """
    return load_json(OperatingPoint, folder / FILE_NAME)


def load_temperature(folder: Path) -> float:
    """Of a fold; 1 until it is learned, as its learning needs predictions."""
    return load_operating_point(folder).temperature if (folder / FILE_NAME).is_file() else 1.0
