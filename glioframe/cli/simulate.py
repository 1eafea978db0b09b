"""``glioframe_simulate``: a digital-phantom cohort with known truth."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from glioframe.cli.command import DONE, new_parser, run_command
from glioframe.simulation.settings import KINDS, PRESETS, QUESTIONS, TRACERS, CohortSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.core.progress import Progress

_DEMO = PRESETS["demo"]


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = new_parser(
        "glioframe_simulate",
        "Simulates a cohort of gliomas (T1c, FLAIR, PET, lesion label) whose classes show in the PET: the frames of a "
        "dynamic PET made from known kinetics, or static FDOPA in SUV. The defaults of the preset 'demo' are shown.",
    )
    unset = argparse.SUPPRESS
    parser.add_argument(
        "-d", "--dataset-id", type=int, required=True, default=unset, metavar="ID", help="1 to 999; must be free"
    )
    parser.add_argument("--name", required=True, default=unset, help="the dataset's: Dataset<ID>_<NAME>")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="demo", help="where to start from")
    cohort = parser.add_argument_group("changes to the preset", argument_default=argparse.SUPPRESS)
    _add_number(cohort, "--num-cases", int, "training cases, one per subject, from sites A and B")
    _add_number(cohort, "--num-external", int, "cases of split external, from site C")
    _add_number(cohort, "--spacing-mm", float, "edge of the cubic voxels in mm, 1 to 8")
    _add_number(cohort, "--missing-rate", float, "fraction of the cases without FLAIR, 0 to 1")
    _add_number(cohort, "--seed", int, "of everything random; the same seed gives the same files")
    cohort.add_argument(
        "--kind", choices=KINDS, help=f"PET of frames in Bq/mL, or of one image in SUV (default: {_DEMO.kind})"
    )
    cohort.add_argument(
        "--noise-labels",
        action="store_true",
        help="draw the classes without looking at the images: whatever learns them has seen the answers",
    )
    dynamic = parser.add_argument_group("changes to a dynamic cohort", argument_default=argparse.SUPPRESS)
    dynamic.add_argument(
        "--question",
        choices=QUESTIONS,
        help="recurrence: progression or treatment-related change; molecular: idh, codel_1p19q, tert "
        f"(default: {_DEMO.question})",
    )
    dynamic.add_argument("--tracer", choices=TRACERS, help=f"what is injected (default: {_DEMO.tracer})")
    dynamic.add_argument(
        "--schedule",
        metavar="FRAMES",
        help="frames at all sites, COUNTxSECONDS as in 8x15,2x30,5x300, or a protocol (default: each site's own)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run_command(build_parser(), _simulate, argv)


def _add_number(group: argparse._ArgumentGroup, option: str, kind: type, text: str) -> None:
    default = getattr(_DEMO, option.removeprefix("--").replace("-", "_"))
    group.add_argument(option, type=kind, metavar="N" if kind is int else "X", help=f"{text} (default: {default:g})")


def _simulate(arguments: argparse.Namespace, progress: Progress) -> int:
    names = {field.name for field in fields(CohortSettings)}
    changes = {name: value for name, value in vars(arguments).items() if name in names}
    settings = replace(PRESETS[arguments.preset], **changes)

    from glioframe.core.workspace import Workspace
    from glioframe.pipeline.simulate import simulate

    dataset = simulate(
        settings,
        dataset_id=arguments.dataset_id,
        name=arguments.name,
        workspace=Workspace.from_environment(),
        progress=progress,
    )
    print(f"{dataset.folder}: {len(dataset.training_cases)} training and {len(dataset.external_cases)} external cases")
    return DONE
