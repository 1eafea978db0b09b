"""Preprocesses the same cases with glioframe and nnU-Net, in turn, and compares time and memory.

Run by a person, not by pytest (Linux only):

    python tests/benchmarks/preprocessing_vs_nnunet.py CASES --nnunet-bin VENV/bin

CASES holds one folder per case with ``*_t1.nii.gz *_t1ce.nii.gz *_t2.nii.gz *_flair.nii.gz *_seg.nii.gz`` (BraTS 2018:
labels 0, 1, 2, 4). Each program resamples 1 mm to 1.25 mm in processes of its own: all cases, and a dataset of only
the first two, whose difference is the time without starting up. Runs alternate, so that other load on the machine
strikes both alike; the ratio is the median over the pairs. CPU seconds hardly depend on the load at all.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np

from glioframe.artifacts.cases import Case, save_cases
from glioframe.artifacts.dataset import Channel, DatasetDescription, save_dataset_description
from glioframe.artifacts.network_plan import ResidualEncoderPlan
from glioframe.artifacts.plan import (
    ChannelPlan,
    Configuration,
    FieldOfView,
    Normalization,
    Plan,
    TrainingPlan,
)
from glioframe.artifacts.raw_dataset import load_raw_dataset
from glioframe.core.modality import Modality
from glioframe.core.progress import SilentProgress

SPACING_MM = (1.25, 1.25, 1.25)
SUFFIXES = {"t1": Modality.T1N, "t1ce": Modality.T1C, "t2": Modality.T2W, "flair": Modality.T2F}
PLANS_NAME = "benchmarkPlans"
FEW_CASES = 2
SAMPLING_S = 0.1


@dataclass(frozen=True)
class Measurement:
    seconds: float
    cpu_seconds: float
    peak_gb: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path, help="folder of BraTS-like case folders")
    parser.add_argument("--nnunet-bin", type=Path, required=True, help="bin folder of an environment with nnunetv2")
    parser.add_argument("--repeats", type=int, default=3, help="pairs of runs")
    parser.add_argument("--workers", type=int, default=2, help="processes of each program")
    parser.add_argument("--worker-of", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker_of:
        run_glioframe(arguments.cases, arguments.worker_of, arguments.workers)
        return
    with tempfile.TemporaryDirectory() as scratch:
        compare(arguments, Path(scratch))


def compare(arguments: argparse.Namespace, scratch: Path) -> None:
    folders = sorted(path for path in arguments.cases.iterdir() if path.is_dir())
    datasets = [
        build_dataset(folders, scratch / "raw" / "Dataset001_All"),
        build_dataset(folders[:FEW_CASES], scratch / "raw" / "Dataset002_Few"),
    ]
    environment = os.environ | {f"nnUNet_{root}": str(scratch / root) for root in ("raw", "preprocessed", "results")}
    plan_nnunet(arguments, environment, scratch)
    runs: dict[str, list[list[Measurement]]] = {"glioframe": [], "nnU-Net": []}
    for repeat in range(arguments.repeats):
        for name, measurements in runs.items():
            measurements.append([measure(name, raw, arguments, environment) for raw in datasets])
            whole = measurements[-1][0]
            print(f"run {repeat + 1} {name:10s} {whole.seconds:6.1f} s  {whole.peak_gb:.2f} GB", flush=True)
    report(runs, num_cases=len(folders))


def report(runs: dict[str, list[list[Measurement]]], *, num_cases: int) -> None:
    def per_case(name: str) -> list[float]:
        return [whole.seconds / num_cases for whole, _ in runs[name]]

    def per_further_case(name: str) -> list[float]:
        return [(whole.seconds - few.seconds) / (num_cases - FEW_CASES) for whole, few in runs[name]]

    def cpu_per_case(name: str) -> list[float]:
        return [whole.cpu_seconds / num_cases for whole, _ in runs[name]]

    def peak_gb(name: str) -> list[float]:
        return [whole.peak_gb for whole, _ in runs[name]]

    print(f"{'':34s} {'glioframe':>10s} {'nnU-Net':>10s} {'nnU-Net / glioframe (pairs)':>30s}")
    for label, values in (
        ("seconds per case, start-up included", per_case),
        ("seconds per further case", per_further_case),
        ("CPU seconds per case", cpu_per_case),
        ("peak memory, GB (PSS of all processes)", peak_gb),
    ):
        own, other = values("glioframe"), values("nnU-Net")
        ratios = [b / a for a, b in zip(own, other, strict=True)]
        print(
            f"{label:38s} {statistics.median(own):6.2f} {statistics.median(other):10.2f} "
            f"{statistics.median(ratios):12.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )


def build_dataset(folders: list[Path], raw: Path) -> Path:
    channels = tuple(Channel(name=str(modality), modality=modality) for modality in SUFFIXES.values())
    description = DatasetDescription(
        name=raw.name, channels=channels, labels={"background": 0, "necrosis": 1, "edema": 2, "enhancing": 3}
    )
    for folder in folders:
        for index, suffix in enumerate(SUFFIXES):
            target = raw / "imagesTr" / f"{folder.name}_{index:04d}.nii.gz"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / f"{folder.name}_{suffix}.nii.gz", target)
        label = nibabel.load(folder / f"{folder.name}_seg.nii.gz")
        values = np.asarray(label.dataobj).astype(np.uint8)
        values[values == 4] = 3  # both programs want consecutive labels
        (raw / "labelsTr").mkdir(exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(values, label.affine), raw / "labelsTr" / f"{folder.name}.nii.gz")
    save_dataset_description(description, raw / "dataset.json", num_training=len(folders))
    save_cases(
        [Case(case_id=folder.name, subject_id=folder.name) for folder in folders], raw / "cases.tsv", description
    )
    return raw


def plan_nnunet(arguments: argparse.Namespace, environment: dict[str, str], scratch: Path) -> None:
    ids = ["-d", "1", "2"]
    commands = [
        ["nnUNetv2_extract_fingerprint", *ids, "-np", str(arguments.workers)],
        [
            "nnUNetv2_plan_experiment",
            *ids,
            "-overwrite_target_spacing",
            *map(str, SPACING_MM),
            "-overwrite_plans_name",
            PLANS_NAME,
        ],
    ]
    for name, *rest in commands:
        subprocess.run([arguments.nnunet_bin / name, *rest], env=environment, check=True, capture_output=True)
    plans = json.loads((scratch / "preprocessed" / "Dataset001_All" / f"{PLANS_NAME}.json").read_text())
    assert plans["configurations"]["3d_fullres"]["spacing"] == list(SPACING_MM)


def measure(name: str, raw: Path, arguments: argparse.Namespace, environment: dict[str, str]) -> Measurement:
    preprocessed = raw.parent.parent / "preprocessed" / raw.name
    for old in preprocessed.glob("*/"):
        shutil.rmtree(old)
    workers = str(arguments.workers)
    if name == "glioframe":
        output = preprocessed / "glioframe"
        command = [sys.executable, __file__, str(raw), "--nnunet-bin", ".", "--workers", workers, "--worker-of", output]
    else:
        dataset_id = raw.name[len("Dataset") :][:3]
        program = arguments.nnunet_bin / "nnUNetv2_preprocess"
        command = [program, "-d", dataset_id, "-plans_name", PLANS_NAME, "-c", "3d_fullres", "-np", workers]
    return run_measured([str(part) for part in command], environment)


def run_measured(command: list[str], environment: dict[str, str]) -> Measurement:
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peaks_gb = [0.0]
    cpu_seconds: dict[int, float] = {}
    done = threading.Event()

    def sample() -> None:
        while not done.wait(SAMPLING_S):
            tree = process_tree(process.pid)
            peaks_gb.append(sum(map(proportional_kb, tree)) / 1e6)
            cpu_seconds.update(tree)

    sampler = threading.Thread(target=sample)
    sampler.start()
    status = process.wait()
    seconds = time.perf_counter() - start
    done.set()
    sampler.join()
    if status:
        raise SystemExit(f"{' '.join(command)} failed with exit code {status}")
    return Measurement(seconds, sum(cpu_seconds.values()), max(peaks_gb))


def process_tree(root: int) -> dict[int, float]:
    """A process and its descendants, each with the CPU seconds that it has used so far."""
    parents: dict[int, int] = {}
    cpu_seconds: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        parents[int(folder.name)] = int(fields[1])
        cpu_seconds[int(folder.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    tree = {root} & set(parents)
    while grown := {pid for pid, parent in parents.items() if parent in tree} - tree:
        tree |= grown
    return {pid: cpu_seconds[pid] for pid in tree}


def proportional_kb(pid: int) -> float:
    """Proportional set size: pages that processes share count once."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0.0)


def run_glioframe(raw: Path, output: Path, workers: int) -> None:
    from glioframe.preprocessing.dataset import preprocess_dataset

    dataset = load_raw_dataset(raw)
    robust = Normalization(scheme="robust_z_score")
    configuration = Configuration(
        name="3d_cnn",
        data_identifier=output.name,
        spacing_mm=SPACING_MM,
        patch_size_vox=(96, 96, 96),
        batch_size=1,
        network=ResidualEncoderPlan(
            features_per_stage=(8,), blocks_per_stage=(1,), kernel_sizes=((3, 3, 3),), strides=((1, 1, 1),)
        ),
        training=TrainingPlan(epochs=1, iterations_per_epoch=1),
    )
    plan = Plan(
        dataset_name=raw.name,
        channels=tuple(ChannelPlan(source=source, normalization=robust) for source in dataset.description.channels),
        field_of_view=FieldOfView(kind="whole_brain", extent_mm=(120.0, 120.0, 120.0)),
        gpu_memory_gb=8.0,
        configurations={configuration.name: configuration},
    )
    summary = preprocess_dataset(dataset, plan, configuration, output, num_workers=workers, progress=SilentProgress())
    assert len(summary.done) == len(dataset.cases)


if __name__ == "__main__":
    main()
