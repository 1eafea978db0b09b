"""Compares the training step that the engine chooses with a plain float32 one, in turn, on this machine.

Run by a person, not by pytest:

    python tests/benchmarks/training_step_speed.py [--network cnn] [--edge 96] [--rounds 3] [--threads 1]
        [--with compiled channels-last]

All sides train the same network on 4 channels, from the same weights, on the same batches: the residual encoder of
nnU-Net's medium size, or a vision transformer of size S. The engine's side takes the precision and the optimizer that
the engine takes with ``training.amp``; plain is float32 and torch's plain optimizer loop; ``compiled`` is the engine's
with ``training.compile``, ``channels-last`` the engine's with channels as the innermost dimension in memory. Steps
alternate, so that other load strikes all alike. CPU seconds hardly depend on the load; wall seconds do. Ratios are
medians over the rounds. The first round, which warms up and compiles, is told apart.

The images are smooth blobs with a little noise, as images are. The losses stand beside each other. How far they may
lie apart depends on how much the untrained network magnifies rounding: the logits of float32, against those of float64,
tell, and those of the chosen precision may be off by 2^16 times as much, for bfloat16 has 16 binary digits fewer.
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

from glioframe.artifacts.network_plan import NetworkPlan, ResidualEncoderPlan
from glioframe.artifacts.network_sizes import VISION_TRANSFORMER_SIZES
from glioframe.artifacts.plan import TrainingPlan
from glioframe.networks.classifier import build_classifier
from glioframe.training.compiling import compile_network
from glioframe.training.optimizer import build_optimizer
from glioframe.training.precision import Precision, choose_precision

MEDIUM = ResidualEncoderPlan(
    features_per_stage=(32, 64, 128, 256, 320, 320),
    blocks_per_stage=(1, 3, 4, 6, 6, 6),
    kernel_sizes=((3, 3, 3),) * 6,
    strides=((1, 1, 1),) + ((2, 2, 2),) * 5,
)
NETWORKS: dict[str, NetworkPlan] = {"cnn": MEDIUM, "vit": VISION_TRANSFORMER_SIZES["S"]}
TRAINING = TrainingPlan(epochs=1, iterations_per_epoch=1, learning_rate=1e-5)
NUM_CHANNELS = 4
NUM_CLASSES = 2
EXTRA_SIDES = ("compiled", "channels-last")


class Side(NamedTuple):
    name: str
    network: nn.Module
    optimizer: torch.optim.Optimizer
    precision: Precision
    layout: torch.memory_format = torch.contiguous_format


class Step(NamedTuple):
    cpu_seconds: float
    wall_seconds: float
    loss: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=sorted(NETWORKS), default="cnn")
    parser.add_argument("--edge", type=int, default=96, help="edge of the patch in voxels")
    parser.add_argument("--rounds", type=int, default=3, help="steps of every side, after one to warm up")
    parser.add_argument("--threads", type=int, default=1, help="compute threads")
    parser.add_argument("--with", dest="extra", nargs="*", choices=EXTRA_SIDES, default=[], help="further sides")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    sides = build_sides(NETWORKS[arguments.network], arguments.edge, arguments.extra)
    print(f"{processor()}; torch {torch.__version__}, {arguments.threads} threads")
    print(f"{NETWORKS[arguments.network].in_words}; chosen precision: {sides[0].precision.dtype or torch.float32}")
    compare_rounding(sides[1].network, sides[0].precision, draw_image(arguments.edge, 0))
    rounds = []
    for number in range(arguments.rounds + 1):
        image, reference = draw_image(arguments.edge, number), torch.tensor([number % NUM_CLASSES])
        steps = {side.name: take_step(side, image, reference) for side in sides}
        for name, step in steps.items():
            when = f"round {number}" if number else "warm-up"
            told = f"{step.cpu_seconds:7.2f} CPU s {step.wall_seconds:7.2f} s  loss {step.loss:.5f}"
            print(f"{when}  {name:13s} {told}", flush=True)
        rounds.append(steps)
    report(rounds)


def build_sides(network: NetworkPlan, edge: int, extra: list[str]) -> list[Side]:
    torch.manual_seed(0)
    made = build_classifier(
        network,
        num_channels=NUM_CHANNELS,
        patch_size_vox=(edge, edge, edge),
        num_classes=NUM_CLASSES,
        quantitative=[False] * NUM_CHANNELS,
    ).train()
    chosen = choose_precision(torch.device("cpu"), amp=True)
    sides = []
    for name in ("engine", "plain", *extra):
        own = copy.deepcopy(made)
        if name == "plain":
            optimizer = torch.optim.AdamW(own.parameters(), lr=TRAINING.learning_rate)
            sides.append(Side(name, own, optimizer, Precision(device_type="cpu")))
            continue
        layout = torch.channels_last_3d if name == "channels-last" else torch.contiguous_format
        own = own.to(memory_format=layout)
        sides.append(Side(name, own, build_optimizer(own, TRAINING), chosen, layout))
        if name == "compiled":
            compile_network(own)
    return sides


def draw_image(edge: int, seed: int) -> torch.Tensor:
    """Blobs of some twelve voxels with noise of a tenth: (1, c, z, y, x)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, NUM_CHANNELS, *[max(2, edge // 12)] * 3, generator=generator)
    smooth = functional.interpolate(coarse, size=(edge,) * 3, mode="trilinear")
    return smooth + 0.1 * torch.randn(smooth.shape, generator=generator)


@torch.no_grad()
def compare_rounding(network: nn.Module, precision: Precision, image: torch.Tensor) -> None:
    """Says how far the logits of the untrained network are off, without dropout."""
    network.eval()
    presence = torch.ones(1, NUM_CHANNELS)
    single = network(image, presence).double()
    with precision.autocast():
        chosen = network(image, presence).double()
    exact = copy.deepcopy(network).double()(image.double(), presence.double())
    errors = [float((logits - exact).square().mean().sqrt()) for logits in (single, chosen)]
    print(f"logits off by {errors[0]:.1e} in float32, {errors[1]:.1e} in the chosen precision: 2^16 x ", end="")
    print(f"{errors[1] / errors[0] / 2**16:.2f}", flush=True)
    network.train()


def take_step(side: Side, image: torch.Tensor, reference: torch.Tensor) -> Step:
    image = image.contiguous(memory_format=side.layout)
    torch.manual_seed(1)  # of dropout
    cpu, wall = time.process_time(), time.perf_counter()
    side.optimizer.zero_grad()
    with side.precision.autocast():
        loss = functional.cross_entropy(side.network(image, torch.ones(1, NUM_CHANNELS)), reference)
    loss.backward()
    nn.utils.clip_grad_norm_(side.network.parameters(), TRAINING.gradient_clip_norm)
    side.optimizer.step()
    return Step(time.process_time() - cpu, time.perf_counter() - wall, float(loss.detach()))


def report(rounds: list[dict[str, Step]]) -> None:
    names = [name for name in rounds[0] if name != "plain"]
    for name in names:
        for quantity in ("cpu_seconds", "wall_seconds"):
            ratios = [getattr(steps["plain"], quantity) / getattr(steps[name], quantity) for steps in rounds[1:]]
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            print(f"plain / {name}, {quantity}: {spread}")
    print("losses, round by round:")
    for name in rounds[0]:
        print(f"  {name:13s} {' '.join(f'{steps[name].loss:.5f}' for steps in rounds)}")
    for name in names:
        apart = max(abs(steps[name].loss / steps["plain"].loss - 1) for steps in rounds)
        print(f"largest relative difference of the losses, {name} from plain: {apart:.2%}")


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
