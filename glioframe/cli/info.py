"""``glioframe_info``: what is installed, on what machine, and where the folders are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from glioframe.cli.command import DONE, new_parser, run_command

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from glioframe.core.progress import Progress


def build_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = new_parser("glioframe_info", "Shows versions, machine, folders, tasks and presets.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    speed = parser.add_argument_group("benchmark")
    speed.add_argument(
        "--benchmark", action="store_true", help="measure loading, augmentation, training steps and memory instead"
    )
    speed.add_argument(
        "-d", "--dataset", help="preprocessed dataset to measure on, id or folder name; without it, synthetic cases"
    )
    speed.add_argument("-c", "--configuration", default="3d_cnn", help="configuration of that dataset's plan")
    speed.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run_command(build_parser(), _body, argv)


def _body(arguments: argparse.Namespace, progress: Progress) -> int:
    content = _benchmark(arguments, progress) if arguments.benchmark else _environment()
    if arguments.json:
        print(json.dumps(content, indent=2))
        return DONE
    width = max(len(name) for name in content)
    for name, value in content.items():
        print(f"{name:<{width}}  {value}")
    return DONE


def _benchmark(arguments: argparse.Namespace, progress: Progress) -> dict[str, str | float]:
    from glioframe.core.workspace import Workspace
    from glioframe.pipeline.training_speed import measure_training_speed

    found = measure_training_speed(
        Workspace.from_environment(),
        arguments.dataset,
        arguments.configuration,
        device=arguments.device,
        progress=progress,
    )
    z, y, x = found.patch_size_vox
    measured: dict[str, str | float] = {
        "device": found.device,
        "precision": found.precision,
        "patch": f"{z} x {y} x {x} voxels",
        "batch_size": found.batch_size,
        "loader_samples_per_s": round(found.loader_samples_per_s, 2),
        "augmentation_ms": round(found.augmentation_ms, 1),
        "step_ms": round(found.step_ms, 1),
        "loader_wait_share": round(found.loader_wait_share, 4),
        "predicted_peak_memory_gb": round(found.predicted_peak_memory_gb, 3),
        "observed_peak_memory_gb": round(found.observed_peak_memory_gb, 3),
    }
    return measured if arguments.json else {name.replace("_", " "): value for name, value in measured.items()}


def _environment() -> dict[str, str]:
    from glioframe.core.presets import preset_names
    from glioframe.core.workspace import Workspace
    from glioframe.pipeline.environment import describe_environment
    from glioframe.task_api.registry import task_names

    workspace = Workspace.from_environment()
    return {
        **describe_environment(),
        "raw datasets in": str(workspace.raw),
        "preprocessed cases in": str(workspace.preprocessed),
        "results in": str(workspace.results),
        "tasks": ", ".join(task_names()),
        "budgets": ", ".join(preset_names("budgets")),
    }
