"""Measures the peak memory of real training steps: of a fresh process on the CPU, of the allocator on a GPU."""

import ctypes
import gc
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch.nn import functional

from glioframe.artifacts.json_file import parse, to_json
from glioframe.artifacts.plan import Configuration
from glioframe.networks.classifier import build_classifier
from glioframe.training.ema import AveragedNetwork
from glioframe.training.memory import predict_peak_memory
from glioframe.training.optimizer import build_optimizer
from glioframe.training.precision import choose_precision

NUM_CLASSES = 2
_NUM_STEPS = 2
"""The second one has the optimizer's moments from its start."""
_QUIET_MALLOC = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "MALLOC_TOP_PAD_": "0",
    "OMP_NUM_THREADS": "1",
}
"""Memory that is freed goes back to the system at once, so that resident memory is what is alive."""


def predicted_gb(configuration: Configuration, *, num_channels: int, device: str = "cpu") -> float:
    """What the trace says of a step in this machine's precision."""
    return predict_peak_memory(
        configuration,
        quantitative=[True] * num_channels,
        num_classes=NUM_CLASSES,
        dtype=choose_precision(torch.device(device), amp=configuration.training.amp).dtype,
    ).training_gb


def measured_gb(configuration: Configuration, *, num_channels: int, device: str = "cpu") -> float:
    """Peak of real steps in a process of their own, in GB (1e9 bytes)."""
    found = subprocess.run(
        [sys.executable, __file__, to_json(configuration), str(num_channels), device],
        env={**os.environ, **_QUIET_MALLOC},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(found.stdout)


def _take_steps(configuration: Configuration, num_channels: int, device: torch.device) -> None:
    training, batch_size = configuration.training, configuration.batch_size
    network = build_classifier(
        configuration.network,
        num_channels=num_channels,
        patch_size_vox=configuration.patch_size_vox,
        num_classes=NUM_CLASSES,
        quantitative=[True] * num_channels,
        checkpointing=training.checkpointing,
    ).to(device)
    average = AveragedNetwork(network, decay=training.ema_decay)
    optimizer = build_optimizer(network, training)
    precision = choose_precision(device, amp=training.amp)
    image = torch.rand(batch_size, num_channels, *configuration.patch_size_vox, device=device)
    presence = torch.ones(batch_size, num_channels, device=device)
    reference = torch.zeros(batch_size, dtype=torch.long, device=device)
    for step in range(_NUM_STEPS):
        optimizer.zero_grad(set_to_none=True)
        with precision.autocast():
            loss = functional.cross_entropy(network(image, presence), reference)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), training.gradient_clip_norm)
        optimizer.step()
        average.update(network, num_updates=step)


def _resident_gb(line: str) -> float:
    found = [entry for entry in Path("/proc/self/status").read_text().splitlines() if entry.startswith(line)]
    return int(found[0].split()[1]) * 1024 / 1e9


def _measure_cpu(configuration: Configuration, num_channels: int) -> float:
    torch.use_deterministic_algorithms(True)
    # Libraries load and compile what they need in a step so small that it needs next to nothing itself.
    tiny = tuple(2 * edge for edge in configuration.network.total_stride)
    _take_steps(replace(configuration, batch_size=1, patch_size_vox=tiny), num_channels, torch.device("cpu"))
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    before = _resident_gb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    _take_steps(configuration, num_channels, torch.device("cpu"))
    return _resident_gb("VmHWM") - before


def _measure_cuda(configuration: Configuration, num_channels: int) -> float:
    torch.backends.cudnn.benchmark = True
    _take_steps(configuration, num_channels, torch.device("cuda"))
    return torch.cuda.max_memory_allocated() / 1e9


if __name__ == "__main__":
    wanted = parse(Configuration, json.loads(sys.argv[1]), where="the command line")
    measure = _measure_cuda if sys.argv[3] == "cuda" else _measure_cpu
    print(measure(wanted, int(sys.argv[2])))
