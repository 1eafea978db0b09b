"""``glioframe_list_tasks``: the installed task plugins."""

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
    parser = new_parser("glioframe_list_tasks", "Lists the installed task plugins and what each of them needs.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run_command(build_parser(), _body, argv)


def _body(arguments: argparse.Namespace, progress: Progress) -> int:
    from glioframe.pipeline.list_tasks import list_tasks

    tasks = list_tasks()
    if arguments.json:
        print(json.dumps(tasks, indent=2))
        return DONE
    width = max((len(task["name"]) for task in tasks), default=0)
    for task in tasks:
        print(f"{task['name']:<{width}}  {task['description']} Needs: {task['needs']}.")
    return DONE
