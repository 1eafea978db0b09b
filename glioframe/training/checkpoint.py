"""Everything that is needed to go on training, in one safetensors file that is replaced in one step.

No random state is in it: all randomness is drawn from streams with names (:mod:`glioframe.core.seeds`).
"""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from glioframe.core.errors import TrainingError
from glioframe.core.files import atomic_path
from glioframe.networks.weights import distinct_weights

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from glioframe.core.progress import Progress

LATEST = "checkpoint_latest.safetensors"
PREVIOUS = "checkpoint_previous.safetensors"
BEST = "checkpoint_best.safetensors"
FINAL = "checkpoint_final.safetensors"
FILES = (LATEST, PREVIOUS, BEST, FINAL)
_KEY = "glioframe"


@dataclass(kw_only=True)
class TrainingState:
    """Where training stands, besides weights and optimizer.

    Attributes:
        identity: Hash of all that decides what training does; another identity cannot be resumed.
        step: Optimizer steps done, over all epochs.
        epoch_steps: What the steps of the unfinished epoch found: the loss and the task's metrics.
        best_inner_loss: Of the finished epochs; None before the first.
        loss_scaler: State of float16's loss scaling; empty without.
    """

    identity: str
    step: int = 0
    epoch_steps: list[dict[str, float]] = field(default_factory=list)
    best_inner_loss: float | None = None
    loss_scaler: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Trainee:
    """What changes in training."""

    network: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer


class _DamagedCheckpointError(Exception):
    """A checkpoint cannot be read back as it was written."""


def save_checkpoint(trainee: Trainee, state: TrainingState, folder: Path) -> None:
    """Writes the latest checkpoint and keeps the one before it."""
    tensors = _tensors(trainee)
    state_json = json.dumps(asdict(state))
    content = {"checksum": _checksum(tensors, state_json), "state": state_json}
    latest = folder / LATEST
    if latest.exists():
        latest.replace(folder / PREVIOUS)
    with atomic_path(latest) as partial:
        save_file(tensors, partial, metadata={_KEY: json.dumps(content)})


def exists(folder: Path) -> bool:
    """Whether there is a checkpoint to go on from."""
    return any((folder / name).is_file() for name in (LATEST, PREVIOUS))


def load_checkpoint(trainee: Trainee, folder: Path, *, identity: str, progress: Progress) -> TrainingState:
    """Restores the latest checkpoint, or the one before it where the latest is damaged.

    Raises:
        TrainingError: None is whole, or it belongs to a training with other settings.
    """
    found = [path for path in (folder / LATEST, folder / PREVIOUS) if path.is_file()]
    for path in found:
        try:
            tensors, state = _read(path)
        except _DamagedCheckpointError as fault:
            progress.note(f"{path}: damaged ({fault}); going on from the checkpoint before it.")
            continue
        if state.identity != identity:
            raise other_training(path)
        _restore(trainee, tensors)
        return state
    raise TrainingError(
        folder,
        expected="a checkpoint to go on from",
        found="only damaged ones",
        fix="Start anew without --c",
    )


def other_training(path: Path) -> TrainingError:
    """The error of resuming what was begun with other settings."""
    return TrainingError(
        path,
        expected="a checkpoint of the same plan, settings and cases",
        found="one of others",
        fix="Train with what it was begun with, or start anew without --c",
    )


def _tensors(trainee: Trainee) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for part, module in (("network", trainee.network), ("average", trainee.average)):
        tensors |= {f"{part}/{name}": value for name, value in distinct_weights(module).items()}
    for index, values in trainee.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value for name, value in values.items() if value is not None}
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}


def _restore(trainee: Trainee, tensors: Mapping[str, Tensor]) -> None:
    for part, module in (("network/", trainee.network), ("average/", trainee.average)):
        module.load_state_dict(
            {name.removeprefix(part): value for name, value in tensors.items() if name.startswith(part)},
            strict=False,  # the further names of shared parameters are not in the file
        )
    optimizer_state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer/"):
            _, index, key = name.split("/")
            optimizer_state.setdefault(int(index), {})[key] = value
    trainee.optimizer.load_state_dict({**trainee.optimizer.state_dict(), "state": optimizer_state})


def _read(path: Path) -> tuple[dict[str, Tensor], TrainingState]:
    try:
        with safe_open(path, framework="pt") as file:
            content = json.loads(file.metadata()[_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        checksum, state_json = content["checksum"], content["state"]
        if _checksum(tensors, state_json) != checksum:
            raise _DamagedCheckpointError("its checksum differs")
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise _DamagedCheckpointError(str(error) or type(error).__name__) from error
    return tensors, TrainingState(**json.loads(state_json))


def _checksum(tensors: Mapping[str, Tensor], state_json: str) -> int:
    """CRC-32 over the state, and names, types, shapes and values in order of the names: finds damage, not forgery."""
    checksum = zlib.crc32(state_json.encode())
    for name in sorted(tensors):
        described = f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}"
        checksum = zlib.crc32(described.encode(), checksum)
        values = tensors[name].reshape(-1).view(torch.uint8)
        checksum = zlib.crc32(values.numpy().data, checksum)
    return checksum
