"""How every simulated cohort is written: complete or not at all, tables as tab-separated text."""

from __future__ import annotations

import csv
import io
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from glioframe.core.files import write_text_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path


@contextmanager
def folder_when_complete(folder: Path) -> Iterator[Path]:
    """An empty folder to write to, which becomes ``folder`` when everything is in it."""
    unfinished = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    yield unfinished
    unfinished.rename(folder)


def write_table(columns: Sequence[str], rows: Iterable[Sequence[str | float]], path: Path) -> None:
    """Writes a table; numbers with six digits."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([f"{value:.6g}" if isinstance(value, float) else value for value in row])
    write_text_atomically(path, buffer.getvalue())
