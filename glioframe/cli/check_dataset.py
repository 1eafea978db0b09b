"""``glioframe_check_dataset``: everything that is wrong with a raw dataset, in one table."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from glioframe.cli.command import DONE, USER_ERROR, new_parser, positive_int, run_command

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from glioframe.artifacts.preflight import Finding, Preflight
    from glioframe.core.progress import Progress

_HEADER = ("severity", "case", "check", "finding, and what to do")
_STYLES = {"error": "bold red", "warning": "yellow"}


def build_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = new_parser(
        "glioframe_check_dataset",
        "Checks a raw dataset: tables, files, geometry, intensities, labels, duplicates. Lists everything that is "
        "wrong at once, with its fix, and writes preflight.json, and preflight.html with a picture of each case. Exit "
        "code 0 without errors, 1 with.",
    )
    parser.add_argument("-d", "--dataset", required=True, help="id or folder name of the raw dataset")
    parser.add_argument("--json", action="store_true", help="print preflight.json instead of a table")
    parser.add_argument("--no-pictures", action="store_true", help="leave the pictures out of preflight.html")
    parser.add_argument(
        "-np",
        "--num-processes",
        type=positive_int,
        default=min(os.cpu_count() or 1, 8),
        metavar="N",
        help="cases read at a time",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run_command(build_parser(), _body, argv)


def _body(arguments: argparse.Namespace, progress: Progress) -> int:
    from glioframe.artifacts.json_file import to_json
    from glioframe.core.workspace import Workspace
    from glioframe.pipeline.check import MOST_PICTURES, check, write_page

    workspace, num_workers = Workspace.from_environment(), arguments.num_processes
    preflight = check(workspace, arguments.dataset, num_workers=num_workers, progress=progress)
    most_pictures = 0 if arguments.no_pictures else MOST_PICTURES
    page = write_page(workspace, preflight, most_pictures=most_pictures, num_workers=num_workers, progress=progress)
    if arguments.json:
        sys.stdout.write(to_json(preflight))
    else:
        if preflight.findings:
            _print_table(preflight.findings)
        print(_summary(preflight))
        print(f"Page: {page}")
    return USER_ERROR if preflight.errors else DONE


def _rows(findings: Sequence[Finding]) -> list[tuple[str, str, str, str, str]]:
    return [
        (finding.severity, finding.case_id or "-", finding.check, f"{finding.where}: {finding.message}", finding.fix)
        for finding in findings
    ]


def _print_table(findings: Sequence[Finding]) -> None:
    if sys.stdout.isatty():
        _print_rich_table(findings)
        return
    # One line per finding, whatever its length, so that grep sees all of it.
    rows = [_HEADER, *((*row, f"{finding}. {fix}.") for *row, finding, fix in _rows(findings))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER) - 1)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]))


def _print_rich_table(findings: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(show_lines=True, expand=True)
    for column, share in (("case", 2), ("check", 3), ("finding", 5), ("fix", 4)):
        table.add_column(column, overflow="fold", ratio=share)
    for severity, case_id, check, finding, fix in _rows(findings):
        headline = Text(f"{severity}\n", style=_STYLES[severity]).append(check, style="default")
        table.add_row(Text(case_id), headline, Text(finding), Text(fix))
    Console().print(table)


def _summary(preflight: Preflight) -> str:
    return (
        f"{preflight.dataset_name}: {_count(preflight.num_cases, 'case')}, {_count(preflight.num_files, 'file')} read, "
        f"{_count(len(preflight.errors), 'error')}, {_count(len(preflight.warnings), 'warning')}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
