"""Mixed precision where the device gains from it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_WRONG_DEPTH_VOX = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Precision:
    """How steps compute.

    Attributes:
        device_type: ``cpu``, ``cuda``, ``mps``.
        dtype: Of convolutions and matrix products; None for float32.
    """

    device_type: str
    dtype: torch.dtype | None = None

    @property
    def name(self) -> str:
        """``float32``, ``bfloat16`` or ``float16``."""
        return str(self.dtype or torch.float32).removeprefix("torch.")

    @property
    def needs_loss_scaling(self) -> bool:
        """Whether small gradients would vanish: in float16, not in bfloat16."""
        return self.dtype == torch.float16

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """A context in which the forward pass runs in this precision."""
        if self.dtype is None:
            return contextlib.nullcontext()
        return self._autocast()

    @contextlib.contextmanager
    def _autocast(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.autocast(self.device_type, dtype=self.dtype))
            if self.device_type == "cpu":
                stack.enter_context(_FlatConvolutionsInFloat32())
            yield


def choose_precision(device: torch.device, *, amp: bool) -> Precision:
    """Bfloat16 where the device computes it natively, float16 on older GPUs, float32 otherwise.

    A CPU without bfloat16 instructions emulates them and is slower than in float32; with them, 3D residual encoders
    train 1.5 to 2 times faster.
    """
    dtype: torch.dtype | None = None
    if amp and device.type == "cpu" and _cpu_computes_bfloat16():
        dtype = torch.bfloat16
    elif amp and device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        dtype = torch.bfloat16 if native else torch.float16
    return Precision(device_type=device.type, dtype=dtype)


def _cpu_computes_bfloat16() -> bool:
    # torch offers no public question; these two have been there since 2.4.
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())  # noqa: SLF001


class _FlatConvolutionsInFloat32(TorchFunctionMode):
    """Keeps 3D convolutions of maps two voxels deep out of bfloat16.

    On CPUs with AVX-512 BF16, torch 2.13 (oneDNN 3.x) fills part of their weight gradient with whatever stood in
    memory. Such maps are so small that float32 costs nothing.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        kwargs = kwargs or {}
        if func is torch.conv3d and args[0].shape[2] == _WRONG_DEPTH_VOX and torch.is_autocast_enabled("cpu"):
            return _in_float32(func, args, kwargs)
        return func(*args, **kwargs)


def _in_float32(function: Callable[..., torch.Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
    exact = [argument.float() if isinstance(argument, torch.Tensor) else argument for argument in args]
    with torch.autocast("cpu", enabled=False):
        result = function(*exact, **kwargs)
    return result.to(torch.get_autocast_dtype("cpu"))
