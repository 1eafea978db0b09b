"""``operating_point.json``: the threshold that was fixed inside the training fold. Written last, it ends a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Le

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.artifacts.json_file import STRICT, load_json, save_json
from glioframe.evaluation.operating_point import choose_operating_point

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from glioframe.task_api.run import Run
    from glioframe.task_api.task import Task

FILE_NAME = "operating_point.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatingPoint:
    """From which probability of the positive class on a case is called positive.

    Attributes:
        probability: The threshold.
        num_positive: Inner cases of the positive class that it was chosen on.
        num_negative: Inner cases of the negative class that it was chosen on.
        training: Hash of all that decided what training did.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    probability: Annotated[float, Ge(0), Le(1)]
    num_positive: int
    num_negative: int
    training: str


def choose_on_inner_cases(task: Task[Any], run: Run[Any], *, inner_ids: Sequence[str], training: str) -> OperatingPoint:
    """The threshold with the highest balanced accuracy on the inner cases, predicted exactly as new cases will be.

    It is 0.5 for a target of more than two classes, as a threshold divides two, and without cases of both.
    """
    if run.target is None or not run.target.is_binary:
        inner_ids = ()
    predictions = [task.predict(run, load_preprocessed_case(run.preprocessed_folder, case_id)) for case_id in inner_ids]
    classes = run.class_indices() if inner_ids else {}
    references = np.array([classes[case_id] for case_id in inner_ids], dtype=np.int64)
    probabilities = np.array([prediction.probabilities[-1] for prediction in predictions])
    return OperatingPoint(
        probability=choose_operating_point(references, probabilities),
        num_positive=int((references == 1).sum()),
        num_negative=int((references == 0).sum()),
        training=training,
    )


def load_operating_point(folder: Path) -> float:
    """The threshold of a trained fold.

    Raises:
        ArtifactError: The fold is not trained, or the file is malformed.
    """
    return load_json(OperatingPoint, folder / FILE_NAME).probability


def save_operating_point(point: OperatingPoint, folder: Path) -> None:
    """Writes it into the folder of a fold."""
    save_json(point, folder / FILE_NAME)
