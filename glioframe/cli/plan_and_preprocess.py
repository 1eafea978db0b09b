"""``glioframe_plan_and_preprocess``: fingerprint, plan, folds and preprocessed cases of a raw dataset."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import TYPE_CHECKING

from glioframe.cli.command import DONE, new_parser, positive_int, run_command

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from glioframe.artifacts.plan import Plan
    from glioframe.core.progress import Progress


def build_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = new_parser(
        "glioframe_plan_and_preprocess",
        "Analyses a raw dataset, plans spacing, field of view, patch and network, and preprocesses every case. "
        "Running it again does only what changed.",
    )
    parser.add_argument("-d", "--dataset", required=True, help="id or folder name of the raw dataset")
    parser.add_argument(
        "-c",
        "--configurations",
        nargs="+",
        default=["3d_cnn"],
        metavar="CONFIG",
        help="configurations to plan: 3d_cnn (a residual encoder, the default), 3d_vit (a vision transformer)",
    )
    parser.add_argument(
        "--gpu-memory",
        type=float,
        metavar="GB",
        help="GPU memory to plan for, in GB; without it, that of the GPU here, or the CPU budget where there is none",
    )
    parser.add_argument(
        "--protocol",
        default="",
        metavar="NAME",
        help="PET protocol for dynamic PET: a shipped name or the path of your own .json; without it, dataset.json's",
    )
    parser.add_argument(
        "-np",
        "--num-processes",
        type=positive_int,
        default=min(os.cpu_count() or 1, 8),
        metavar="N",
        help="cases handled at a time",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="handle the cases on the workers of this Dask cluster, e.g. tcp://host:8786; -np is then of no matter",
    )
    parser.add_argument(
        "--keep-plan", action="store_true", help="preprocess with plans.json as it stands, e.g. after editing it"
    )
    parser.add_argument("--no-preprocessing", action="store_true", help="stop after planning")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run_command(build_parser(), _body, argv)


def _body(arguments: argparse.Namespace, progress: Progress) -> int:
    from glioframe.core.workspace import Workspace
    from glioframe.imaging.parallel import cases_on_cluster
    from glioframe.pipeline.environment import gpu_memory_gb
    from glioframe.pipeline.plan_and_preprocess import PlanningRequest, plan_and_preprocess
    from glioframe.planning.budget import budget_for

    memory_gb = arguments.gpu_memory if arguments.gpu_memory is not None else gpu_memory_gb()
    workspace = Workspace.from_environment().absolute()
    request = PlanningRequest(
        dataset=arguments.dataset,
        configurations=arguments.configurations,
        budget=budget_for(memory_gb),
        num_workers=arguments.num_processes,
        protocol=arguments.protocol,
        keep_plan=arguments.keep_plan,
        preprocess=not arguments.no_preprocessing,
    )
    with cases_on_cluster(arguments.scheduler) if arguments.scheduler else nullcontext():
        plan = plan_and_preprocess(workspace, request, progress=progress)
    _show(plan, arguments.configurations)
    print(f"Plan: {workspace.preprocessed / plan.dataset_name / 'plans.json'}")
    return DONE


def _show(plan: Plan, names: Sequence[str]) -> None:
    view = plan.field_of_view
    print(f"field of view      {view.kind}, {_times(view.extent_mm)} mm (z, y, x)")
    for name in names:
        configuration = plan.configuration(name)
        print(f"{name}")
        print(f"  spacing          {_times(configuration.spacing_mm)} mm")
        print(f"  patch            {_times(configuration.patch_size_vox)} voxels")
        print(f"  batch            {configuration.batch_size}")
        print(f"  network          {configuration.network.in_words}")
        print(f"  epochs           {configuration.training.epochs} x {configuration.training.iterations_per_epoch}")
        print(
            f"  predicted memory {configuration.predicted_peak_memory_gb:.2f} GB in training, "
            f"{configuration.predicted_inference_memory_gb:.2f} GB in prediction"
        )


def _times(values: Sequence[float]) -> str:
    return " x ".join(f"{value:.4g}" for value in values)
