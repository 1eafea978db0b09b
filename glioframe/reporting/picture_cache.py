"""Pictures of preprocessed cases, drawn once for all the reports that show them: each fold, model and benchmark."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import matplotlib as mpl

from glioframe.core.files import sha256_of_text, write_bytes_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

VERSION = 1
"""Raised with every change of a module that draws cases or their curves."""


def drawn_once(
    preprocessed_folder: Path, name: str, shown: Mapping[str, object], draw: Callable[[], bytes], *, suffix: str
) -> bytes:
    """What ``draw`` gives, or gave before for the same content.

    A folder that cannot be written to costs the time of drawing, and nothing else.

    Args:
        preprocessed_folder: Of the cases; the pictures lie in its cache, and may be deleted at any time.
        name: Starts the file's name, for those who look into the folder.
        shown: All that decides what is seen, as JSON.
        draw: Draws it.
        suffix: Of the file, with its dot.
    """
    content = json.dumps({**shown, "version": VERSION, "matplotlib": mpl.__version__}, sort_keys=True)
    path = preprocessed_folder / "cache" / "pictures" / f"{name}_{sha256_of_text(content)[:16]}{suffix}"
    with contextlib.suppress(OSError):
        return path.read_bytes()
    picture = draw()
    with contextlib.suppress(OSError):
        write_bytes_atomically(path, picture)
    return picture
