"""What every command shares: options, exit codes, and how errors and progress are shown.

Exit 0 done, 1 a user's error (one line on stderr), 2 wrong usage (argparse).
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from glioframe.core.errors import GlioframeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from glioframe.core.progress import Progress

DONE = 0
USER_ERROR = 1
INTERRUPTED = 130


def new_parser(command: str, description: str) -> argparse.ArgumentParser:
    """A parser with the options that every command has."""
    parser = argparse.ArgumentParser(
        prog=command,
        description=description,
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    shared = parser.add_argument_group("shared options")
    shared.add_argument(
        "--progress",
        choices=("auto", "bar", "json", "none"),
        default="auto",
        help="progress on stderr: bars when it is a terminal (auto), JSON lines, or nothing",
    )
    shared.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def run_command(
    parser: argparse.ArgumentParser,
    body: Callable[[argparse.Namespace, Progress], int],
    argv: Sequence[str] | None,
    *,
    resume_hint: str = "run the same command to go on",
) -> int:
    """Parses, runs ``body`` and turns a user's error into one line and exit code 1."""
    arguments = parser.parse_args(argv)
    progress = _progress(arguments.progress)
    try:
        return body(arguments, progress)
    except GlioframeError as error:
        return _fail(f"{parser.prog}: {error}", arguments)
    except OSError as error:
        path = f"{error.filename}: " if error.filename else ""
        return _fail(
            f"{parser.prog}: {path}{error.strerror or error}. Check the path, its rights and free space.", arguments
        )
    except KeyboardInterrupt:
        sys.stderr.write(f"{parser.prog}: interrupted; what was finished is kept; {resume_hint}.\n")
        return INTERRUPTED


def _fail(message: str, arguments: argparse.Namespace) -> int:
    if arguments.debug:
        raise  # noqa: PLE0704 - called from an except block only
    sys.stderr.write(message + "\n")
    return USER_ERROR


def _progress(choice: str) -> Progress:
    from glioframe.core.progress import JsonProgress, SilentProgress

    if choice == "json":
        return JsonProgress()
    if choice == "bar" or (choice == "auto" and sys.stderr.isatty()):
        from glioframe.cli.progress_bar import BarProgress

        return BarProgress()
    return SilentProgress()


def positive_int(text: str) -> int:
    """The argparse type of counts.

    Raises:
        ArgumentTypeError: The text is no whole number of 1 or more.
    """
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, found {text!r}")
    return int(text)
