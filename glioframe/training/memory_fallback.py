"""The ladder that a training goes down where the device has less memory than was planned for."""

from __future__ import annotations

import gc
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

import torch

from glioframe.artifacts.json_file import STRICT, load_json, save_json, to_json
from glioframe.artifacts.plan import Configuration  # noqa: TC001 - pydantic reads the annotation
from glioframe.core.files import sha256_of_text
from glioframe.training import checkpoint
from glioframe.training.ranks import Ranks

if TYPE_CHECKING:
    from collections.abc import Callable

    from glioframe.core.geometry import Shape
    from glioframe.task_api.run import Run

FILE_NAME = "memory_fallback.json"
_SMALLER_EDGE = 0.85
"""Of a patch's edges, from one rung to the next: about 0.6 of its voxels."""
_FEWEST_STRIDES = 2
"""Of the last feature map, or of the grid of tokens, along each axis."""


class Smaller(NamedTuple):
    """The next rung.

    Attributes:
        configuration: That needs less memory.
        reason: What became of what.
    """

    configuration: Configuration
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryFallback:
    """``memory_fallback.json`` in a fold: the rung that its training ended on.

    Attributes:
        planned: SHA-256 of the configuration that was planned.
        configuration: The one trained with.
        reasons: What was given up, in order.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    planned: str
    configuration: Configuration
    reasons: tuple[str, ...]


def next_smaller(configuration: Configuration) -> Smaller | None:
    """What to try when ``configuration`` runs out of memory; None below the last rung.

    First activations are computed again instead of kept, then the batch is halved, then the patch gets smaller at the
    same spacing, so that the preprocessed cases still serve.
    """
    training, batch_size = configuration.training, configuration.batch_size
    if not training.checkpointing:
        return Smaller(
            replace(configuration, training=replace(training, checkpointing=True)), "training.checkpointing is on"
        )
    if batch_size > 1:
        return Smaller(replace(configuration, batch_size=batch_size // 2), f"batch_size is {batch_size // 2}")
    patch_size_vox = _smaller_patch(configuration)
    if patch_size_vox == configuration.patch_size_vox:
        return None
    edges = " x ".join(map(str, patch_size_vox))
    return Smaller(replace(configuration, patch_size_vox=patch_size_vox), f"patch_size_vox is {edges}")


def within_memory(run: Run[Any], attempt: Callable[[Run[Any]], None]) -> None:
    """Runs ``attempt`` on the rung that the fold is on, and from the next one down again where memory runs out.

    Only a training that has not saved a checkpoint yet goes down: one that has, did fit, and something else took the
    memory since.

    Raises:
        torch.OutOfMemoryError: Nothing smaller is left, or it did fit before.
    """
    path = run.folder / FILE_NAME
    if run.resume:
        run = as_trained(run)
    else:
        path.unlink(missing_ok=True)
    earlier = load_json(MemoryFallback, path) if run.resume and path.is_file() else None
    planned, reasons = (earlier.planned, earlier.reasons) if earlier else (_hash(run.configuration), ())
    while True:
        try:
            return attempt(run)
        except torch.OutOfMemoryError:
            smaller = None if checkpoint.exists(run.folder) else next_smaller(run.configuration)
            if smaller is None:
                raise
        # Outside of the handler, where the failed step's tensors are no longer referred to.
        _release_memory()
        reasons = (*reasons, smaller.reason)
        run = replace(run, configuration=smaller.configuration, resume=False)
        if Ranks.current().is_first:
            save_json(MemoryFallback(planned=planned, configuration=smaller.configuration, reasons=reasons), path)
        run.progress.note(f"{run.name}: out of memory. It starts again: {smaller.reason}.")


def as_trained(run: Run[Any]) -> Run[Any]:
    """The run with the configuration that its fold ended on, where memory ran out; else as it is."""
    path = run.folder / FILE_NAME
    if not path.is_file():
        return run
    fallback = load_json(MemoryFallback, path)
    if fallback.planned != _hash(run.configuration):
        return run  # of another plan, which the training's identity tells
    return replace(run, configuration=fallback.configuration)


def fallback_reasons(run: Run[Any]) -> tuple[str, ...]:
    """What the fold's training gave up for memory; nothing where it went as planned."""
    path = run.folder / FILE_NAME
    return load_json(MemoryFallback, path).reasons if path.is_file() else ()


def _smaller_patch(configuration: Configuration) -> Shape:
    """Edges some 15 % shorter, in whole strides, at least two of them; a shorter edge stays as it is."""
    return cast(
        "Shape",
        tuple(
            min(edge, max(_FEWEST_STRIDES, math.floor(_SMALLER_EDGE * edge / stride)) * stride)
            for edge, stride in zip(configuration.patch_size_vox, configuration.network.total_stride, strict=True)
        ),
    )


def _release_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _hash(configuration: Configuration) -> str:
    return sha256_of_text(to_json(configuration))
