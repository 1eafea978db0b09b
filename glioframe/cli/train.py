"""``glioframe_train``: trains one fold or all, then evaluates and reports."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from glioframe.cli.command import DONE, INTERRUPTED, USER_ERROR, new_parser, run_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.core.progress import Progress
    from glioframe.pipeline.model_folder import ModelFolder
    from glioframe.pipeline.training import TrainingRequest


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
        help="override a setting of plan, network, training, task or launcher, e.g. training.epochs=2; may be repeated",
    )
    parser.add_argument(
        "--preset", metavar="NAME", help="shipped settings to start from, e.g. quick_look; --set goes on top of them"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument(
        "--no-report", action="store_true", help="train and validate only; leave the report of all folds to others"
    )
    jobs = parser.add_argument_group("folds as jobs")
    jobs.add_argument(
        "--launcher",
        choices=("local", "slurm"),
        help="train each fold in a job of its own: several at a time on this machine, or queued on a Slurm cluster",
    )
    jobs.add_argument(
        "--launcher-preset",
        metavar="NAME",
        help="what a job gets: a shipped preset or the path of your own .json; without it, the one named as the "
        "launcher. --set launcher.key=value changes it",
    )
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
    return _launch(arguments, progress) if arguments.launcher else _train(arguments, progress)


def _train(arguments: argparse.Namespace, progress: Progress) -> int:
    from glioframe.core.progress import SilentProgress
    from glioframe.core.workspace import Workspace
    from glioframe.pipeline.train import train
    from glioframe.training.ranks import PeerFailedError, joined_ranks

    try:
        with joined_ranks() as ranks:
            request = _request(arguments, device=str(ranks.device(arguments.device)))
            shown = progress if ranks.is_first else SilentProgress()
            model = train(Workspace.from_environment(), request, progress=shown)
            if ranks.is_first:
                _show(model)
    except PeerFailedError as failure:  # which has said why
        return INTERRUPTED if isinstance(failure.__cause__, KeyboardInterrupt) else USER_ERROR
    return DONE


def _launch(arguments: argparse.Namespace, progress: Progress) -> int:
    from glioframe.core.workspace import Workspace
    from glioframe.pipeline.launch import launch
    from glioframe.pipeline.launcher_settings import load_launcher_settings

    preset = arguments.launcher_preset or arguments.launcher
    settings, arguments.overrides = load_launcher_settings(preset, arguments.overrides)
    request = _request(arguments, device=arguments.device)
    launched = launch(Workspace.from_environment(), request, arguments.launcher, settings, progress=progress)
    for job in launched.queued:
        print(f"{job.name:<10} job {job.job_id:<10} log {job.log}")
    if launched.queued:
        print(f"Queued; squeue shows how they are. Model: {launched.model.path}")
    else:
        _show(launched.model)
    return DONE


def _request(arguments: argparse.Namespace, *, device: str) -> TrainingRequest:
    from glioframe.artifacts.task_preset import load_task_preset
    from glioframe.pipeline.training import TrainingRequest

    preset = load_task_preset(arguments.preset, task=arguments.task).overrides if arguments.preset else ()
    return TrainingRequest(
        dataset=arguments.dataset,
        task=arguments.task,
        configuration=arguments.configuration,
        folds=arguments.fold,
        target=arguments.target,
        overrides=[*preset, *arguments.overrides],
        device=device,
        resume=arguments.resume,
        overwrite=arguments.overwrite,
        pretrained=arguments.pretrained,
        report=not arguments.no_report,
    )


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


if __name__ == "__main__":
    raise SystemExit(main())
