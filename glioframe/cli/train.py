"""``glioframe_train``: trains one fold or all, then evaluates and reports."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from glioframe.cli.command import DONE, new_parser, run_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.core.progress import Progress
    from glioframe.pipeline.model_folder import ModelFolder


def build_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = new_parser(
        "glioframe_train",
        "Trains a task. Once every fold is trained, the cross-validated predictions, metrics and report are written.",
    )
    parser.add_argument("dataset", metavar="DATASET", help="id or folder name of the dataset")
    parser.add_argument("task", metavar="TASK", help="task plugin; glioframe_list_tasks lists them")
    parser.add_argument("configuration", metavar="CONFIG", help="configuration of the plan, e.g. 3d_cnn")
    parser.add_argument("fold", metavar="FOLD", type=_fold, help="number of a fold, or all")
    parser.add_argument("--target", metavar="NAME", help="column of cases.tsv to predict, where several are declared")
    parser.add_argument(
        "--pretrained",
        metavar="RUN_OR_FILE",
        type=Path,
        help="start the encoder from an earlier model's folder, one of its folds, or a file of weights, also of others",
    )
    earlier = parser.add_mutually_exclusive_group()
    earlier.add_argument("--c", dest="resume", action="store_true", help="go on where an interrupted run stopped")
    earlier.add_argument("--overwrite", action="store_true", help="throw an earlier run of these folds away")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="override a setting of plan, network, training or task, e.g. training.epochs=2; may be repeated",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run_command(build_parser(), _body, argv, resume_hint="add --c to go on")


def _fold(text: str) -> tuple[int, ...] | None:
    if text == "all":
        return None
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected a fold number or 'all', found {text!r}")
    return (int(text),)


def _body(arguments: argparse.Namespace, progress: Progress) -> int:
    from glioframe.core.workspace import Workspace
    from glioframe.pipeline.train import train
    from glioframe.pipeline.training import TrainingRequest
    from glioframe.training.device import resolve_device

    request = TrainingRequest(
        dataset=arguments.dataset,
        task=arguments.task,
        configuration=arguments.configuration,
        folds=arguments.fold,
        target=arguments.target,
        overrides=arguments.overrides,
        device=str(resolve_device(arguments.device)),
        resume=arguments.resume,
        overwrite=arguments.overwrite,
        pretrained=arguments.pretrained,
    )
    model = train(Workspace.from_environment(), request, progress=progress)
    _show(model)
    return DONE


def _show(model: ModelFolder) -> None:
    from glioframe.artifacts.evaluation import load_evaluation
    from glioframe.cli.metrics_table import print_metrics

    metrics_path = model.crossval_folder / "metrics.json"
    if metrics_path.is_file():
        print_metrics(load_evaluation(metrics_path))
        print(f"Report: {model.crossval_folder / 'report.html'}")
    else:
        print(f"Trained folds so far: {', '.join(map(str, model.trained_folds()))}")
        print(f"Model: {model.path}")
