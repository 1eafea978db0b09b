"""What a trained fold says of a case: the mean over its networks, at the fold's temperature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from glioframe.inference.ensemble import ensemble
from glioframe.task_api.task import CasePrediction
from glioframe.training.members import member_runs
from glioframe.training.operating_point import load_temperature
from glioframe.training.temperature import tempered
from glioframe.training.trained_network import trained_network

if TYPE_CHECKING:
    from glioframe.artifacts.case import PreprocessedCase
    from glioframe.task_api.run import Run
    from glioframe.training.gradient_task import GradientTask


@torch.inference_mode()
def predict_case(task: GradientTask[Any], run: Run[Any], case: PreprocessedCase) -> CasePrediction:
    """Asks every network of the fold; see :meth:`GradientTask.predict`.

    The temperature is applied to the mean, so that it cannot change the order of cases.

    Raises:
        PredictionError: The fold is not trained.
        ArtifactError: Its weights are damaged or belong to another plan.
    """
    members = [task.prediction_step(each, trained_network(task, each), case) for each in member_runs(run)]
    together = ensemble(members)
    temperature = load_temperature(run.folder) if task.calibrates(run) else 1.0
    return CasePrediction(
        probabilities=tempered(together.probabilities, temperature),
        member_probabilities=tuple(tempered(member, temperature) for member in together.member_probabilities),
    )
