"""Progress bars on stderr, drawn by rich."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")


class BarProgress:
    """One bar per running step; a finished inner step disappears, so that nested steps stay readable."""

    def __init__(self) -> None:
        self._display = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._depth = 0

    def track(self, items: Iterable[T], *, step: str, total: int) -> Iterator[T]:
        """Passes ``items`` through and advances a bar labelled ``step``."""
        if self._depth == 0:
            self._display.start()
        self._depth += 1
        bar = self._display.add_task(step, total=total)
        try:
            for item in items:
                yield item
                self._display.advance(bar)
        finally:
            self._depth -= 1
            if self._depth:
                self._display.remove_task(bar)
            else:
                self._display.stop()
                self._display.remove_task(bar)

    def note(self, message: str) -> None:
        """Prints a line above the bars."""
        self._display.console.print(message, markup=False, highlight=False)
