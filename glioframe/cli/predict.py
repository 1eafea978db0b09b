"""``glioframe_predict``: ensemble inference on new cases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from glioframe.cli.command import DONE, new_parser, run_command

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from glioframe.artifacts.prediction import PredictionRow
    from glioframe.core.progress import Progress


def build_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = new_parser(
        "glioframe_predict",
        "Predicts new cases with the averaged folds of a trained model; writes predictions.tsv and report.html.",
    )
    parser.add_argument(
        "-i", "--images", type=Path, required=True, metavar="IN", help="folder with CASE_0000.nii.gz ..."
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the results")
    parser.add_argument("-d", "--dataset", required=True, help="id or folder name of the dataset trained on")
    parser.add_argument("-t", "--task", required=True, help="task plugin")
    parser.add_argument("-c", "--configuration", default="3d_cnn", metavar="CONFIG", help="configuration of the plan")
    parser.add_argument("-f", "--folds", type=int, nargs="+", default=[], metavar="F", help="folds; all trained ones")
    parser.add_argument("--target", metavar="NAME", help="target, where the dataset declares several")
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FOLDER",
        help="lesion labels CASE.nii.gz; needed when the view is lesion-centered",
    )
    parser.add_argument(
        "--cases", type=Path, metavar="TSV", help="cases.tsv with subject, site and reference of the new cases"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run_command(build_parser(), _body, argv)


def _body(arguments: argparse.Namespace, progress: Progress) -> int:
    from glioframe.core.workspace import Workspace
    from glioframe.evaluation.rows import target_name
    from glioframe.pipeline.predict import PredictionRequest, find_model, predict
    from glioframe.training.device import resolve_device

    model = find_model(
        Workspace.from_environment(),
        dataset=arguments.dataset,
        task=arguments.task,
        configuration=arguments.configuration,
        target=arguments.target,
    )
    request = PredictionRequest(
        images=arguments.images,
        output=arguments.output,
        model=model,
        labels=arguments.labels,
        cases=arguments.cases,
        folds=arguments.folds,
        device=str(resolve_device(arguments.device)),
    )
    rows = predict(request, progress=progress)
    dataset = model.dataset()
    for row in rows:
        print(_line(row, dataset.target(target_name(row.target)).classes))
    print(f"Report: {arguments.output / 'report.html'}")
    return DONE


def _line(row: PredictionRow, classes: Sequence[str]) -> str:
    """Case, target, the class that the probability is of, and the call."""
    name, _, one_class = row.target.partition("=")
    positive, negative = (one_class, f"not {one_class}") if one_class else (classes[-1], classes[0])
    call = positive if row.probability >= row.operating_point else negative
    return f"{row.case_id}\t{name}\t{positive}: {row.probability:.3f} +- {row.std:.3f}\tcalled {call}"
