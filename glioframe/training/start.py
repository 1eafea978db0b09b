"""What a training starts from: the cases of its fold, and a network. Most of what is to be refused is refused here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from glioframe.core.errors import TrainingError
from glioframe.core.seeds import derive_seed
from glioframe.training.fold_data import FoldData
from glioframe.training.ranks import Ranks

if TYPE_CHECKING:
    from torch import nn

    from glioframe.networks.foreign_weights import LoadedWeights
    from glioframe.task_api.run import Run
    from glioframe.training.gradient_task import GradientTask


class Start(NamedTuple):
    """Everything is as it is before the first step.

    Attributes:
        data: The cases.
        network: Initialized, on the CPU.
        loaded: What of it started from pretrained weights; None for a random start.
    """

    data: FoldData
    network: nn.Module
    loaded: LoadedWeights | None


def make_start(task: GradientTask[Any], run: Run[Any]) -> Start:
    """Reads the list of cases and builds the network; writes nothing, and seeds torch's global generator.

    Raises:
        TrainingError: Too few cases for the classes, for the inner cases or for the processes.
        GlioframeError: What the task refuses.
    """
    data = FoldData(run, task.sampling(run))
    if run.configuration.training.select == "best" and not data.inner_ids:
        raise TrainingError(
            run.folder,
            expected="inner cases to select the best weights by",
            found=f"none of {len(data.fit_ids)} training cases",
            fix="Raise training.inner_fraction, or set training.select to final",
        )
    Ranks.current().refuse_small_batch(run.configuration.batch_size, where=run.folder)
    torch.manual_seed(derive_seed(data.seed, "network"))
    network = task.build_network(run)
    return Start(data, network, task.start(run, network))


def check_start(task: GradientTask[Any], run: Run[Any]) -> None:
    """Makes a start and forgets it, for its errors alone."""
    with torch.random.fork_rng(devices=[]):
        make_start(task, run)
