"""Weights on disk: safetensors, which hold numbers and nothing that could run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import safetensors
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from glioframe.core.errors import ArtifactError
from glioframe.core.files import atomic_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch
    from torch import nn

_MOST_NAMES_SHOWN = 3
_MARK = {"glioframe": "weights"}
"""Tells our weights from others of the same names, which may number their tokens otherwise."""


def distinct_weights(module: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name, on the CPU, each once.

    A network may hold one parameter under several names, as dynamic-network-architectures' blocks do; the first counts.
    """
    state = module.state_dict(keep_vars=True)
    name_of: dict[int, str] = {}
    for name, value in state.items():
        name_of.setdefault(id(value), name)
    return {name: state[name].detach().cpu().contiguous() for name in name_of.values()}


def save_weights(module: nn.Module, path: Path) -> None:
    """Writes parameters and buffers to ``path`` in one step; equal weights give equal bytes."""
    state = distinct_weights(module)
    with atomic_path(path) as partial:
        save_file(state, partial, metadata=_MARK)


def load_weights(module: nn.Module, path: Path) -> None:
    """Fills every parameter and buffer of ``module`` from ``path``.

    Raises:
        ArtifactError: The file is absent, damaged, or holds the weights of another network.
    """
    state = read_weights(path)
    faults = differences(distinct_weights(module), state)
    if faults:
        raise ArtifactError(
            path,
            expected=f"the weights of this {type(module).__name__}",
            found=faults,
            fix="Use the plan that the weights were trained with",
        )
    module.load_state_dict(state, strict=False)  # the further names of shared parameters are not in the file


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name, on the CPU.

    Raises:
        ArtifactError: The file is absent or damaged.
    """
    try:
        return load_file(path)
    except FileNotFoundError:
        raise ArtifactError(
            path, expected="the weights of a trained network", found="no file", fix="Train the fold first"
        ) from None
    except safetensors.SafetensorError as error:
        raise ArtifactError(
            path, expected="a safetensors file", found=str(error), fix="Copy it again, or train the fold again"
        ) from None


def is_saved_by_glioframe(path: Path) -> bool:
    """Whether :func:`save_weights` wrote the file; False for a file of another kind or none at all."""
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}) == _MARK
    except (safetensors.SafetensorError, OSError):
        return False


def differences(wanted: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> str:
    """In which names and shapes two sets of weights differ, in words; empty where they do not."""
    shared = wanted.keys() & found.keys()
    groups = {
        "missing": sorted(wanted.keys() - found.keys()),
        "unknown": sorted(found.keys() - wanted.keys()),
        "of another shape": sorted(name for name in shared if wanted[name].shape != found[name].shape),
    }
    return "; ".join(f"{len(names)} {fault} ({_some(names)})" for fault, names in groups.items() if names)


def _some(names: list[str]) -> str:
    hidden = len(names) - _MOST_NAMES_SHOWN
    return ", ".join(names[:_MOST_NAMES_SHOWN]) + (f" and {hidden} more" if hidden > 0 else "")
