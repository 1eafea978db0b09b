"""Mixed precision where the device gains from it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import torch


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
    def needs_loss_scaling(self) -> bool:
        """Whether small gradients would vanish: in float16, not in bfloat16."""
        return self.dtype == torch.float16

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """A context in which the forward pass runs in this precision."""
        if self.dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device_type, dtype=self.dtype)


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
