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
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run_command(build_parser(), _body, argv)


def _body(arguments: argparse.Namespace, progress: Progress) -> int:
    from glioframe.core.presets import preset_names
    from glioframe.core.workspace import Workspace
    from glioframe.pipeline.environment import describe_environment
    from glioframe.task_api.registry import task_names

    workspace = Workspace.from_environment()
    content = {
        **describe_environment(),
        "raw datasets in": str(workspace.raw),
        "preprocessed cases in": str(workspace.preprocessed),
        "results in": str(workspace.results),
        "tasks": ", ".join(task_names()),
        "budgets": ", ".join(preset_names("budgets")),
    }
    if arguments.json:
        print(json.dumps(content, indent=2))
        return DONE
    width = max(len(name) for name in content)
    for name, value in content.items():
        print(f"{name:<{width}}  {value}")
    return DONE
