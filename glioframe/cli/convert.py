"""``glioframe_convert``: folders of other makes -> raw dataset. One subcommand per make."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glioframe.cli.command import DONE, new_parser, run_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.raw_dataset import RawDataset
    from glioframe.core.progress import Progress


def build_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = new_parser("glioframe_convert", "Converts a folder of images of another make into a raw dataset.")
    makes = parser.add_subparsers(dest="make", required=True, metavar="MAKE")
    brats = makes.add_parser(
        "brats",
        help="BraTS-style folders: CASE/CASE_t1.nii.gz ... or CASE/CASE-t1n.nii.gz ...",
        description="Converts BraTS-style folders. Images are copied byte by byte, segmentations renumbered to "
        "netc 1, snfh 2, et 3 (rc 4).",
        allow_abbrev=False,
    )
    brats.add_argument("input", type=Path, metavar="IN", help="folder that holds one folder per case")
    brats.add_argument("-d", "--dataset-id", type=int, required=True, metavar="ID", help="id of the new dataset, 1-999")
    brats.add_argument("--name", required=True, help="name of the new dataset: letters, digits, '_', '-'")
    brats.add_argument(
        "--targets",
        type=Path,
        required=True,
        metavar="TABLE.tsv",
        help="tab-separated table: case_id (folder name), optionally subject_id, session_id, site, split "
        "(train or external), and one column per target",
    )
    brats.add_argument(
        "--classes",
        type=_classes,
        action="append",
        default=[],
        metavar="TARGET=A,B",
        help="classes of a target in order, the positive one last; without it, the column's values sorted",
    )
    brats.add_argument(
        "--covariates", nargs="+", default=[], metavar="COLUMN", help="columns of the table that are no targets"
    )
    _accept_shared_options(brats)
    _add_pet_make(
        makes,
        "bids",
        summary="BIDS with PET: sub-01/ses-1/pet/sub-01_ses-1_pet.nii.gz and its .json",
        pattern="file name in the session's folder anat",
    )
    _add_pet_make(
        makes, "dicom", summary="DICOM files, at any depth, of one PET series per study", pattern="series description"
    )
    return parser


def _add_pet_make(makes: Any, make: str, *, summary: str, pattern: str) -> None:  # noqa: ANN401 - argparse's own type
    parser = makes.add_parser(
        make,
        help=summary,
        description=f"Converts {summary}. PET becomes activity in Bq/mL, decay-corrected to injection.",
        allow_abbrev=False,
    )
    parser.add_argument("input", type=Path, metavar="IN", help="folder that holds the images")
    parser.add_argument(
        "-d", "--dataset-id", type=int, required=True, metavar="ID", help="id of the new dataset, 1-999"
    )
    parser.add_argument("--name", required=True, help="name of the new dataset: letters, digits, '_', '-'")
    parser.add_argument(
        "--channel",
        type=_channel,
        action="append",
        default=[],
        metavar="MODALITY=REGEX",
        help=f"an MRI channel (t1n, t1c, t2w, t2f): regular expression that finds its {pattern}; may be repeated",
    )
    parser.add_argument("--tracer", choices=("fdopa", "fet", "met", "fdg"), help="tracer, if the files do not say it")
    parser.add_argument("--protocol", default="", help="PET protocol: the name of a shipped one, or a .json file")
    _accept_shared_options(parser)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run_command(build_parser(), _body, argv)


def _body(arguments: argparse.Namespace, progress: Progress) -> int:
    if arguments.make != "brats":
        print(_summary(_convert_pet(arguments, progress)))
        return DONE
    from glioframe.core.workspace import Workspace
    from glioframe.dataset.convert_brats import BratsSource
    from glioframe.pipeline.convert import convert_brats

    dataset = convert_brats(
        Workspace.from_environment(),
        BratsSource(
            folder=arguments.input,
            table=arguments.targets,
            classes=dict(arguments.classes),
            covariates=arguments.covariates,
        ),
        dataset_id=arguments.dataset_id,
        name=arguments.name,
        progress=progress,
    )
    print(_summary(dataset))
    return DONE


def _convert_pet(arguments: argparse.Namespace, progress: Progress) -> RawDataset:
    from glioframe.core.modality import Tracer
    from glioframe.core.workspace import Workspace
    from glioframe.dataset.dynamic_source import PetSource
    from glioframe.pipeline.convert import convert_bids, convert_dicom

    convert = convert_bids if arguments.make == "bids" else convert_dicom
    source = PetSource(
        folder=arguments.input,
        channels=dict(arguments.channel),
        tracer=Tracer(arguments.tracer) if arguments.tracer else None,
        protocol=arguments.protocol,
    )
    workspace = Workspace.from_environment()
    return convert(workspace, source, dataset_id=arguments.dataset_id, name=arguments.name, progress=progress)


def _channel(text: str) -> tuple[str, str]:
    name, _, pattern = text.partition("=")
    if not (name and pattern):
        raise argparse.ArgumentTypeError(f"{text!r} is not like t1c=T1.*Gd")
    return name, pattern


def _summary(dataset: RawDataset) -> str:
    lines = [
        f"{dataset.folder}: {len(dataset.training_cases)} training cases, {len(dataset.external_cases)} external cases",
        f"channels: {', '.join(channel.name for channel in dataset.description.channels)}",
    ]
    for target in dataset.description.targets:
        positive = f" (positive: {target.classes[-1]})" if target.is_binary else ""
        lines.append(f"target {target.name}: {', '.join(target.classes)}{positive}")
    return "\n".join(lines)


def _classes(text: str) -> tuple[str, tuple[str, ...]]:
    name, equals, classes = text.partition("=")
    values = tuple(value.strip() for value in classes.split(","))
    if not (name and equals and all(values) and len(set(values)) > 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not like grade=low,high")
    return name, values


def _accept_shared_options(parser: argparse.ArgumentParser) -> None:
    """Lets the options of every command stand after the subcommand, too; unset, they leave the first ones alone."""
    parser.add_argument(
        "--progress", choices=("auto", "bar", "json", "none"), default=argparse.SUPPRESS, help=argparse.SUPPRESS
    )
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
