"""Gives out the trained networks of a fold, each read once per process."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import torch

from glioframe.core.errors import PredictionError
from glioframe.networks.lora import merge_adapted
from glioframe.networks.weights import load_weights
from glioframe.training.checkpoint import FINAL
from glioframe.training.device import resolve_device

if TYPE_CHECKING:
    from torch import nn

    from glioframe.task_api.run import Run
    from glioframe.training.gradient_task import GradientTask

_MOST_FOLDS_KEPT = 10
"""An ensemble of ten folds stays in memory, with all members of each."""
_kept: OrderedDict[tuple[object, ...], nn.Module] = OrderedDict()


def forget_networks() -> None:
    """Frees what is kept, before a training needs the memory."""
    _kept.clear()


def trained_network(task: GradientTask[Any], run: Run[Any]) -> nn.Module:
    """The network that was trained in ``run.folder``, on ``run.device``, in evaluation mode.

    Raises:
        PredictionError: The fold is not trained.
        ArtifactError: Its weights are damaged or belong to another plan.
    """
    path = run.folder / FINAL
    if not path.is_file():
        raise PredictionError(
            path, expected="the weights of a trained fold", found="no file", fix="Train the fold first"
        )
    written = path.stat()
    key = (type(task), path.resolve(), written.st_mtime_ns, written.st_size, written.st_ino, run.device)
    if key not in _kept:
        with torch.random.fork_rng(devices=[]):
            network = task.build_network(run)
        load_weights(network, path)
        merge_adapted(network)
        _kept[key] = network.to(resolve_device(run.device)).eval().requires_grad_(requires_grad=False)
        while len(_kept) > _MOST_FOLDS_KEPT * run.configuration.training.num_members:
            _kept.popitem(last=False)
    _kept.move_to_end(key)
    return _kept[key]
