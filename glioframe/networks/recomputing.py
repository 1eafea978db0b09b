"""Activations that are computed again in the backward pass instead of kept."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import _get_current_function_mode_stack
from torch.utils.checkpoint import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch.overrides import TorchFunctionMode


def recomputed(part: Callable[..., torch.Tensor], *inputs: Any) -> torch.Tensor:  # noqa: ANN401 - whatever part takes
    """What ``part`` makes of ``inputs``, computed again in the backward pass as it was computed at first.

    Nothing random may happen in it. Torch restores autocast by itself, but not the function modes by which
    :mod:`glioframe.training.precision` makes exceptions to it. Where a network is compiled, they are in the graph.
    """
    modes = () if torch.compiler.is_compiling() else _get_current_function_mode_stack()  # type: ignore[no-untyped-call]
    alike = functools.partial(_within, modes, part) if modes else part
    result: torch.Tensor = checkpoint(alike, *inputs, use_reentrant=False, preserve_rng_state=False)
    return result


def _within(
    modes: Sequence[TorchFunctionMode],
    part: Callable[..., torch.Tensor],
    *inputs: Any,  # noqa: ANN401
) -> torch.Tensor:
    with contextlib.ExitStack() as stack:
        for mode in modes:
            stack.enter_context(mode)
        return part(*inputs)
