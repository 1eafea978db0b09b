"""How long work tells where it stands. Steps talk to this interface; the command line draws it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Protocol, TextIO, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")


class Progress(Protocol):
    """A display of running steps. Display goes to stderr, results go to stdout."""

    def track(self, items: Iterable[T], *, step: str, total: int) -> Iterator[T]:
        """Passes ``items`` through and shows how many of ``total`` are done."""
        ...

    def note(self, message: str) -> None:
        """Says one line beside the display."""
        ...


class SilentProgress:
    """Shows nothing: for tests and for use as a library."""

    def track(self, items: Iterable[T], *, step: str, total: int) -> Iterator[T]:
        """Passes ``items`` through."""
        yield from items

    def note(self, message: str) -> None:
        """Drops the message."""


class JsonProgress:
    """One JSON object per line and event, for programs that watch a run."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr

    def track(self, items: Iterable[T], *, step: str, total: int) -> Iterator[T]:
        """Passes ``items`` through and writes ``{"step", "done", "total"}`` after each."""
        self._write({"step": step, "done": 0, "total": total})
        for done, item in enumerate(items, start=1):
            yield item
            self._write({"step": step, "done": done, "total": total})

    def note(self, message: str) -> None:
        """Writes ``{"note": message}``."""
        self._write({"note": message})

    def _write(self, event: dict[str, str | int]) -> None:
        self._stream.write(json.dumps(event) + "\n")
        self._stream.flush()
