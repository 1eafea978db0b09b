"""``training.compile``: steps run through kernels that torch generates for this network, patch and machine."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import torch

from glioframe.core.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import nn

P = ParamSpec("P")
T = TypeVar("T")
_OPTIONS: dict[str, str | int | bool | Any] = {
    # Dropout draws what it draws uncompiled.
    "fallback_random": True,
    # Fused operations round to bfloat16 in between, as single ones do. Without, the gradient of a maximum looks for
    # it among values that were rounded otherwise, finds none, and becomes NaN.
    "emulate_precision_casts": True,
}


def compile_network(network: nn.Module) -> None:
    """Has ``network(...)`` compiled when it is first called; its parameters and their names stay as they are.

    What was compiled before is forgotten, and sizes are taken as fixed: what a training computes must not depend on
    what the process did before it.
    """
    torch.compiler.reset()
    network.compile(dynamic=False, options=_OPTIONS)


def uncompiled(function: Callable[P, T]) -> Callable[P, T]:
    """The function, called by a compiled network as it is: talk between processes cannot be compiled."""
    wrapped: Callable[P, T] = torch.compiler.disable(function)  # type: ignore[no-untyped-call]
    return wrapped


@contextlib.contextmanager
def told_if_uncompilable(where: str | Path) -> Iterator[None]:
    """Turns a network that cannot be compiled here into an error that a user can mend, at ``where``.

    Raises:
        TrainingError: There is no compiler, or it fails.
    """
    try:
        yield
    except RuntimeError as error:
        from torch._dynamo.exc import TorchDynamoException  # slow to import, so only where something went wrong

        if not isinstance(error, TorchDynamoException):
            raise
        raise TrainingError(
            where,
            expected="a network that torch can compile on this machine, as training.compile asks for",
            found=str(error).strip().partition("\n")[0],
            fix="Start again with --overwrite and --set training.compile=false, or install a C++ compiler and, for a "
            "GPU, Triton",
        ) from error
