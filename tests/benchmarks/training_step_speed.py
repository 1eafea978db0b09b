"""Compares the training step that the engine chooses with a plain float32 one, in turn, on this machine.

Run by a person, not by pytest:

    python tests/benchmarks/training_step_speed.py [--edge 96] [--pairs 3] [--threads 1]

Both train the residual encoder of nnU-Net's medium size on 4 channels, from the same weights, on the same batches; one
takes the precision and the optimizer that the engine takes with ``training.amp``, the other float32 and torch's plain
optimizer loop. Steps alternate, so that other load strikes both alike. CPU seconds hardly depend on the load; wall
seconds do. The ratio is the median over the pairs. The losses of both are printed beside each other.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from glioframe.artifacts.network_plan import ResidualEncoderPlan
from glioframe.artifacts.plan import TrainingPlan
from glioframe.networks.classifier import build_classifier
from glioframe.training.optimizer import build_optimizer
from glioframe.training.precision import Precision, choose_precision

MEDIUM = ResidualEncoderPlan(
    features_per_stage=(32, 64, 128, 256, 320, 320),
    blocks_per_stage=(1, 3, 4, 6, 6, 6),
    kernel_sizes=((3, 3, 3),) * 6,
    strides=((1, 1, 1),) + ((2, 2, 2),) * 5,
)
TRAINING = TrainingPlan(epochs=1, iterations_per_epoch=1, learning_rate=1e-5)
NUM_CHANNELS = 4
NUM_CLASSES = 2


class Side(NamedTuple):
    network: nn.Module
    optimizer: torch.optim.Optimizer
    precision: Precision


class Step(NamedTuple):
    cpu_seconds: float
    wall_seconds: float
    loss: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edge", type=int, default=96, help="edge of the patch in voxels")
    parser.add_argument("--pairs", type=int, default=3, help="pairs of steps, after one to warm up")
    parser.add_argument("--threads", type=int, default=1, help="compute threads")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    sides = build_sides()
    print(f"{processor()}; torch {torch.__version__}, {arguments.threads} threads")
    print(f"chosen precision: {sides[0].precision.dtype or torch.float32}")
    pairs = []
    for number in range(arguments.pairs + 1):
        generator = torch.Generator().manual_seed(number)
        image = torch.randn(1, NUM_CHANNELS, *[arguments.edge] * 3, generator=generator)
        pair = [take_step(side, image, torch.tensor([number % NUM_CLASSES])) for side in sides]
        shown = "  ".join(
            f"{step.cpu_seconds:6.2f} CPU s {step.wall_seconds:6.2f} s  loss {step.loss:.4f}" for step in pair
        )
        print(f"pair {number}{' (warm-up)' if number == 0 else '':10s}  engine {shown.replace('  ', '  ')}", flush=True)
        pairs.append(pair)
    report(pairs)


def build_sides() -> list[Side]:
    torch.manual_seed(0)
    network = build_classifier(
        MEDIUM, num_channels=NUM_CHANNELS, num_classes=NUM_CLASSES, quantitative=[False] * NUM_CHANNELS
    ).train()
    plain = copy.deepcopy(network)
    cpu = torch.device("cpu")
    return [
        Side(network, build_optimizer(network, TRAINING), choose_precision(cpu, amp=True)),
        Side(plain, torch.optim.AdamW(plain.parameters(), lr=TRAINING.learning_rate), Precision(device_type="cpu")),
    ]


def take_step(side: Side, image: torch.Tensor, reference: torch.Tensor) -> Step:
    torch.manual_seed(1)  # of dropout
    cpu, wall = time.process_time(), time.perf_counter()
    side.optimizer.zero_grad()
    with side.precision.autocast():
        loss = functional.cross_entropy(side.network(image, torch.ones(1, NUM_CHANNELS)), reference)
    loss.backward()
    nn.utils.clip_grad_norm_(side.network.parameters(), TRAINING.gradient_clip_norm)
    side.optimizer.step()
    return Step(time.process_time() - cpu, time.perf_counter() - wall, float(loss.detach()))


def report(pairs: list[list[Step]]) -> None:
    measured = pairs[1:]
    for name in ("cpu_seconds", "wall_seconds"):
        ratios = [getattr(plain, name) / getattr(engine, name) for engine, plain in measured]
        print(f"float32 / engine, {name}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    apart = max(abs(engine.loss - plain.loss) for engine, plain in pairs)
    print(f"largest difference of the losses: {apart:.4f} of about {statistics.mean(p.loss for _, p in pairs):.4f}")


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return "unknown processor"
    content = cpuinfo.read_text()
    name = next((line.partition(":")[2].strip() for line in content.splitlines() if "model name" in line), "unknown")
    flags = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in content.split()]
    return f"{name} ({', '.join(flags)})"


if __name__ == "__main__":
    main()
