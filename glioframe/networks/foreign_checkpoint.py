"""Checkpoint files of nnssl and nnU-Net: what stands in them, read without running anything."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import safetensors
import torch
from safetensors.torch import load_file

from glioframe.core.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_WRAPPERS = ("module.", "_orig_mod.")
"""What parallel training and compilation put before every name."""
_WEIGHTS = ("network_weights", "state_dict")
"""Where a checkpoint keeps its tensors, if not at its top."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignCheckpoint:
    """A checkpoint of another framework.

    Attributes:
        path: Of the file.
        state: Its tensors, under its own names.
        adaptation_plan: How nnssl says that the network is to be used: names of its parts, patch size; empty if absent.
        trainer: Class that trained it, which tells the method; empty if unknown.
    """

    path: Path
    state: Mapping[str, torch.Tensor]
    adaptation_plan: Mapping[str, Any]
    trainer: str


def read_checkpoint(path: Path) -> ForeignCheckpoint:
    """Reads safetensors, or what torch.save wrote, as far as it is data and no code.

    The adaptation plan is the checkpoint's own, or ``adaptation_plan.json`` beside it.

    Raises:
        ArtifactError: The file is absent or damaged, holds code, or holds no tensors.
    """
    content = _content(path)
    holder = next((content[name] for name in _WEIGHTS if name in content), content)
    state = {_unwrapped(name): value for name, value in holder.items() if isinstance(value, torch.Tensor)}
    if not state:
        raise ArtifactError(
            path, expected="the tensors of a network", found="none", fix="Take the checkpoint as it was published"
        )
    return ForeignCheckpoint(
        path=path,
        state=state,
        adaptation_plan=content.get("nnssl_adaptation_plan") or _plan_beside(path),
        trainer=str(content.get("trainer_name", "")),
    )


def _content(path: Path) -> dict[str, Any]:
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ArtifactError(path, expected="a checkpoint", found="no file", fix="Correct the path") from None
    except UnpicklingError:
        raise ArtifactError(
            path,
            expected="a checkpoint of tensors, numbers and text",
            found="objects that only code could load, or no checkpoint",
            fix="Save its network_weights alone, as safetensors",
        ) from None
    except (RuntimeError, EOFError, safetensors.SafetensorError) as error:
        raise ArtifactError(
            path, expected="a whole checkpoint", found=str(error).partition("\n")[0], fix="Copy it again"
        ) from None
    return content if isinstance(content, dict) else {}


def _plan_beside(path: Path) -> dict[str, Any]:
    beside = path.with_name("adaptation_plan.json")
    if not beside.exists():
        return {}
    try:
        plan = json.loads(beside.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(beside, expected="JSON", found=str(error), fix="Copy it again") from None
    return dict(plan)


def _unwrapped(name: str) -> str:
    for wrapper in _WRAPPERS:
        name = name.removeprefix(wrapper)
    return name
