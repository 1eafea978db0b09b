"""The device, how far it can be trusted to repeat itself, and what it holds."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from glioframe.core.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MB = 1e6
_STATUS = Path("/proc/self/status")


def resolve_device(name: str) -> torch.device:
    """The device called ``name``; ``auto`` is the first CUDA device, or the CPU where there is none.

    Raises:
        SettingError: The name is unknown, or this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise _no_device(name) from None
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(device.type, False):
        raise _no_device(name)
    return device


@contextlib.contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Within it, a CPU repeats itself bit by bit; torch's settings and random states are as before afterwards.

    On a GPU the fastest kernels are chosen instead, as some have no deterministic twin: runs agree to rounding.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.use_deterministic_algorithms(device.type == "cpu")
        torch.backends.cudnn.benchmark = device.type == "cuda"
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before[0])
            torch.backends.cudnn.benchmark = before[1]


def peak_memory_mb(device: torch.device) -> float:
    """Highest memory use so far: of the GPU's allocator, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / _MB
    if _STATUS.is_file():
        # Not getrusage: a process that was just started inherits its parent's peak there.
        peak_kb = next(line.split()[1] for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak_kb) * 1024 / _MB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MB if sys.platform == "darwin" else peak * 1024 / _MB  # bytes on macOS, KiB elsewhere


def _no_device(name: str) -> SettingError:
    return SettingError(
        f"--device {name}",
        expected="a device of this machine",
        found="none of that name",
        fix="Use --device auto, or cpu; glioframe_info shows what is here",
    )
