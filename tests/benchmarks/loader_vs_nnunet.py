"""Compares glioframe's loading and augmentation of patches with nnU-Net 2.8's, in turn, on this machine.

Run by a person, not by pytest:

    python tests/benchmarks/loader_vs_nnunet.py --nnunet-python VENV/bin/python [--rounds 5] [--batches 10]

VENV holds nnunetv2==2.8.1. Both read the same cases of 4 x 160 x 192 x 160 voxels, each from blosc2 files of its own
format, and make batches of two 4 x 128^3 patches with their labels: a random place, every other patch on a lesion,
then the transforms of nnU-Net's default pipeline with its probabilities and ranges. nnU-Net's side is its own loader
and trainer code. Each side is one process with one thread, as one worker of its loader. Rounds alternate, so that
other load strikes both alike; CPU seconds hardly depend on it. The ratio is the median over the rounds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPE = (160, 192, 160)
PATCH = (128, 128, 128)
NUM_CHANNELS = 4
NUM_CASES = 4
BATCH_SIZE = 2
SIDES = ("glioframe", "nnU-Net")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--nnunet-python",
        default=os.environ.get("GLIOFRAME_NNUNET_PYTHON"),
        help="Python of an environment with nnunetv2 2.8.1; default: $GLIOFRAME_NNUNET_PYTHON",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=10, help="batches of each round")
    parser.add_argument("--worker", nargs=2, metavar=("SIDE", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        serve(arguments.worker[0], Path(arguments.worker[1]))
        return
    if not arguments.nnunet_python:
        parser.error("give --nnunet-python or set GLIOFRAME_NNUNET_PYTHON")
    with tempfile.TemporaryDirectory() as scratch:
        write_cases(Path(scratch))
        compare(arguments, Path(scratch))


def compare(arguments: argparse.Namespace, folder: Path) -> None:
    pythons = dict(zip(SIDES, (sys.executable, arguments.nnunet_python), strict=True))
    workers = {name: start(name, python, folder) for name, python in pythons.items()}
    for worker in workers.values():  # each converts the cases to its format and warms up
        ask(worker, 2)
    rounds = []
    for number in range(arguments.rounds):
        found = {name: ask(worker, arguments.batches) for name, worker in workers.items()}
        rounds.append(found)
        samples = arguments.batches * BATCH_SIZE
        shown = "   ".join(
            f"{name} {samples / cpu:5.2f} samples per CPU s, {samples / wall:5.2f} per s"
            for name, (cpu, wall) in found.items()
        )
        print(f"round {number + 1}:  {shown}", flush=True)
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    for index, unit in enumerate(("CPU second", "second")):
        rates = {name: [samples / found[name][index] for found in rounds] for name in SIDES}
        ratios = [own / other for own, other in zip(*rates.values(), strict=True)]
        medians = ", ".join(f"{name} {statistics.median(values):.2f}" for name, values in rates.items())
        print(
            f"samples per {unit} and worker: {medians}; "
            f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )


def start(name: str, python: str, folder: Path) -> subprocess.Popen[str]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLOSC_NTHREADS"), "1")
    roots = {f"nnUNet_{root}": str(folder) for root in ("raw", "preprocessed", "results")}
    return subprocess.Popen(
        [python, "-W", "ignore", __file__, "--worker", name, str(folder)],
        env=os.environ | threads | roots,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ask(worker: subprocess.Popen[str], batches: int) -> tuple[float, float]:
    """CPU and wall seconds for so many batches."""
    worker.stdin.write(f"{batches}\n")
    worker.stdin.flush()
    cpu, wall = json.loads(worker.stdout.readline())
    return cpu, wall


def serve(name: str, folder: Path) -> None:
    """Makes as many batches as each line of standard input says."""
    import torch

    torch.set_num_threads(1)
    make_batch = glioframe_side(folder) if name == SIDES[0] else nnunet_side(folder)
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(int(line)):
            image = make_batch()
            assert image.shape == (BATCH_SIZE, NUM_CHANNELS, *PATCH)
        print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall]), file=answers, flush=True)


def glioframe_side(folder: Path) -> Callable[[], Any]:
    import torch

    from glioframe.augmentation.patch_parameters import draw_patch_parameters
    from glioframe.imaging.array_store import save_array
    from glioframe.training.patches import load_augmented_patch

    cases = load_cases(folder)
    for case_id, case in cases.items():
        save_array(case["image"], folder / f"own_{case_id}.b2nd")
        save_array(case["labels"], folder / f"own_{case_id}_seg.b2nd")
    lesions = {case_id: case["lesion_voxels"] for case_id, case in cases.items()}
    del cases
    rng = np.random.default_rng(0)

    def make_batch() -> torch.Tensor:
        images = torch.empty(BATCH_SIZE, NUM_CHANNELS, *PATCH)
        labels = torch.empty(BATCH_SIZE, *PATCH, dtype=torch.int8)
        for sample in range(BATCH_SIZE):
            case_id = f"case{rng.integers(NUM_CASES)}"
            start = [rng.integers(whole - edge + 1) for whole, edge in zip(SHAPE, PATCH, strict=True)]
            if sample == BATCH_SIZE - 1:
                voxel = lesions[case_id][rng.integers(len(lesions[case_id]))]
                start = [voxel[axis] - PATCH[axis] // 2 for axis in range(3)]
            parameters = draw_patch_parameters(int(rng.integers(2**62)), quantitative=[False] * NUM_CHANNELS)
            images[sample], labels[sample] = load_augmented_patch(
                folder / f"own_{case_id}.b2nd",
                folder / f"own_{case_id}_seg.b2nd",
                parameters,
                start_vox=tuple(map(int, start)),
                patch_size_vox=PATCH,
            )
        return images

    return make_batch


def nnunet_side(folder: Path) -> Callable[[], Any]:
    from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size
    from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
    from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    target = folder / "nnunet"
    target.mkdir()
    for case_id, case in load_cases(folder).items():
        image, labels = case["image"], case["labels"][None]
        image_blocks, image_chunks = comp_blosc2_params(image.shape, PATCH, image.itemsize)
        label_blocks, label_chunks = comp_blosc2_params(labels.shape, PATCH, labels.itemsize)
        foreground = {1: np.pad(case["lesion_voxels"], ((0, 0), (1, 0)))}
        nnUNetDatasetBlosc2.save_case(
            image,
            labels,
            {"class_locations": foreground},
            str(target / case_id),
            chunks=image_chunks,
            blocks=image_blocks,
            chunks_seg=label_chunks,
            blocks_seg=label_blocks,
        )
    reach = math.radians(30)
    rotation = (-reach, reach)
    transforms = nnUNetTrainer.get_training_transforms(
        PATCH, rotation, None, (0, 1, 2), do_dummy_2d_data_aug=False, foreground_labels=[1, 2, 3]
    )
    loader = nnUNetDataLoader(
        nnUNetDatasetBlosc2(str(target)),
        BATCH_SIZE,
        get_patch_size(PATCH, rotation, rotation, rotation, (0.85, 1.25)),
        PATCH,
        SimpleNamespace(all_labels=[1, 2, 3], has_ignore_label=False),
        oversample_foreground_percent=0.33,
        transforms=transforms,
    )
    return lambda: next(loader)["data"]


def write_cases(folder: Path) -> None:
    """Smooth noise inside a brain-like ellipsoid, zero outside, with three nested labels."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, edge) for edge in SHAPE), indexing="ij"))
    brain = (grid**2).sum(0) < 0.9
    for number in range(NUM_CASES):
        noise = (gaussian_filter(rng.standard_normal(SHAPE), 1.5) for _ in range(NUM_CHANNELS))
        image = np.stack([(10 * volume * brain).astype(np.float32) for volume in noise])
        distance = np.sqrt(((grid - rng.uniform(-0.3, 0.3, (3, 1, 1, 1))) ** 2).sum(0))
        labels = np.digitize(-distance, (-0.3, -0.22, -0.12)).astype(np.int8)
        lesion_voxels = np.argwhere(labels > 0)[::50]
        np.savez(folder / f"case{number}.npz", image=image, labels=labels, lesion_voxels=lesion_voxels)


def load_cases(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    return {path.stem: dict(np.load(path)) for path in sorted(folder.glob("case*.npz"))}


if __name__ == "__main__":
    main()
