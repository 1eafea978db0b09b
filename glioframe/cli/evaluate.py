"""``glioframe_evaluate``: predictions and references -> metrics.json and report.html."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from glioframe.cli.command import DONE, new_parser, positive_int, run_command

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from glioframe.core.progress import Progress


def build_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = new_parser("glioframe_evaluate", "Evaluates predictions.tsv files and draws the report.")
    parser.add_argument(
        "-i", "--predictions", type=Path, nargs="+", required=True, metavar="TSV", help="predictions.tsv, e.g. of folds"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the results")
    parser.add_argument("-d", "--dataset", default="", help="dataset whose references replace those in the files")
    parser.add_argument(
        "-r", "--references", type=Path, metavar="TSV", help="cases.tsv to use instead of the dataset's"
    )
    parser.add_argument("--num-resamples", type=positive_int, default=2000, metavar="N", help="bootstrap resamples")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run_command(build_parser(), _body, argv)


def _body(arguments: argparse.Namespace, progress: Progress) -> int:
    from glioframe.cli.metrics_table import print_metrics
    from glioframe.core.workspace import Workspace
    from glioframe.pipeline.evaluate import EvaluationRequest, evaluate_predictions

    request = EvaluationRequest(
        predictions=arguments.predictions,
        output=arguments.output,
        dataset=arguments.dataset,
        references=arguments.references,
        num_resamples=arguments.num_resamples,
        seed=arguments.seed,
    )
    print_metrics(evaluate_predictions(Workspace.from_environment(), request))
    print(f"Report: {arguments.output / 'report.html'}")
    return DONE
