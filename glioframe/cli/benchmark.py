"""``glioframe_benchmark``: every model and baseline under identical folds -> table, paired tests, report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from glioframe.cli.command import DONE, USER_ERROR, new_parser, positive_int, run_command
from glioframe.core.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.core.progress import Progress
    from glioframe.pipeline.benchmark_setup import Benchmark, BenchmarkRequest


def build_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = new_parser(
        "glioframe_benchmark",
        "Trains every model and baseline of a matrix under the same folds and compares them: table.tsv, "
        "comparisons.tsv, metrics.json, report.html and a draft of the reporting checklists. What is trained already "
        "is kept: run the same command again to go on.",
    )
    parser.add_argument("dataset", metavar="DATASET", help="id or folder name of the dataset, planned and preprocessed")
    parser.add_argument("--target", metavar="NAME", help="column of cases.tsv to predict, where several are declared")
    parser.add_argument(
        "--matrix", default="standard", metavar="NAME_OR_FILE", help="what to compare: of plans/benchmarks, or your own"
    )
    parser.add_argument("--quick", action="store_true", help="train just long enough to see that every row works")
    parser.add_argument(
        "--split-policy",
        choices=("planned", "leave_one_site_out"),
        default="planned",
        help="the planned folds, or each site left out in turn",
    )
    parser.add_argument(
        "--repetitions",
        type=positive_int,
        default=1,
        metavar="N",
        help="repeat the cross-validation with other folds and average the predictions: steadier for small cohorts",
    )
    parser.add_argument("--jobs", type=positive_int, default=1, metavar="N", help="rows trained at a time")
    parser.add_argument("--num-resamples", type=positive_int, default=2000, metavar="N", help="bootstrap resamples")
    parser.add_argument("--overwrite", action="store_true", help="throw an earlier benchmark of this kind away")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument(
        "--row", dest="rows", action="append", default=[], metavar="NAME", help="train this row only; may be repeated"
    )
    parser.add_argument(
        "--pretrained",
        type=_weights,
        action="append",
        default=[],
        metavar="CONFIGURATION=RUN_OR_FILE",
        help="what the matrix's pretrained rows of a configuration start from, as for glioframe_train; may be repeated",
    )
    parser.add_argument("--no-training", action="store_true", help="write tables and report of what is trained")
    parser.add_argument("--no-report", action="store_true", help="train only; leave tables and report to a later call")
    parser.add_argument(
        "--launcher", choices=("slurm",), help="queue each row as a job of its own, and the report last"
    )
    parser.add_argument(
        "--launcher-preset",
        default="slurm",
        metavar="NAME_OR_FILE",
        help="what a job gets: a shipped preset or the path of your own .json",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run_command(build_parser(), _body, argv)


def _weights(text: str) -> tuple[str, Path]:
    configuration, equals, path = text.partition("=")
    if not (configuration and equals and path):
        raise argparse.ArgumentTypeError(f"expected CONFIGURATION=RUN_OR_FILE, such as 3d_cnn=a_run, found {text!r}")
    return configuration, Path(path)


def _by_configuration(given: Sequence[tuple[str, Path]]) -> dict[str, Path]:
    names = [configuration for configuration, _ in given]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise SettingError(
            f"--pretrained {repeated[0]}=...",
            expected="weights once for each configuration",
            found=f"{names.count(repeated[0])} times",
            fix="Leave one",
        )
    return dict(given)


def _body(arguments: argparse.Namespace, progress: Progress) -> int:
    from glioframe.artifacts.benchmark import load_matrix
    from glioframe.core.workspace import Workspace
    from glioframe.pipeline.benchmark import run_benchmark
    from glioframe.pipeline.benchmark_setup import BenchmarkRequest
    from glioframe.training.device import resolve_device

    # A job finds its device on the machine that it runs on.
    device = arguments.device if arguments.launcher else str(resolve_device(arguments.device))
    request = BenchmarkRequest(
        dataset=arguments.dataset,
        target=arguments.target,
        matrix=load_matrix(arguments.matrix),
        quick=arguments.quick,
        split_policy=arguments.split_policy,
        num_repetitions=arguments.repetitions,
        device=device,
        num_parallel=arguments.jobs,
        overwrite=arguments.overwrite,
        rows=tuple(arguments.rows),
        train=not arguments.no_training,
        report=not arguments.no_report,
        num_resamples=arguments.num_resamples,
        pretrained=_by_configuration(arguments.pretrained),
    )
    if arguments.launcher:
        return _queue(request, arguments)
    benchmark = run_benchmark(Workspace.from_environment(), request, progress=progress)
    return _show(benchmark) if request.report else DONE


def _queue(request: BenchmarkRequest, arguments: argparse.Namespace) -> int:
    from glioframe.core.workspace import Workspace
    from glioframe.pipeline.benchmark_queue import queue_benchmark
    from glioframe.pipeline.launcher_settings import load_launcher_settings

    settings, _ = load_launcher_settings(arguments.launcher_preset)
    for job in queue_benchmark(Workspace.from_environment(), request, settings, matrix_name=arguments.matrix):
        print(f"{job.name:<24} job {job.job_id:<10} log {job.log}")
    print("Queued; squeue shows how they are.")
    return DONE


def _show(benchmark: Benchmark) -> int:
    import csv

    with benchmark.folder.table_path.open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream, delimiter="\t"))
    width = max(len(line["model"]) for line in lines)
    for line in lines:
        what = f"{line['target']}, {line['split']}" if line["target"] else ""
        print(f"{line['model']:<{width}}  {_auc(line):<32}  {what}".rstrip())
    print(f"Report: {benchmark.folder.report_path}")
    return USER_ERROR if any(line["status"] == "failed" for line in lines) else DONE


def _auc(line: dict[str, str]) -> str:
    if line["status"] != "done":
        return line["status"]
    if not line["auc"]:
        return "AUC undefined"
    between = f" ({float(line['auc_low']):.2f} to {float(line['auc_high']):.2f})" if line["auc_low"] else ""
    return f"AUC {float(line['auc']):.2f}{between}"


if __name__ == "__main__":
    raise SystemExit(main())
