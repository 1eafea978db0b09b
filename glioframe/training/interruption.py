"""Ends training in order when the user or the scheduler asks for it."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Whether somebody asked to stop.

    Attributes:
        requested: Set by the first SIGINT or SIGTERM.
    """

    def __init__(self) -> None:
        self.requested = False

    def obey(self) -> None:
        """Stops, if somebody asked for it. What is worth keeping must be saved before."""
        if self.requested:
            raise KeyboardInterrupt

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Notes the first signal; a second one interrupts at once."""
        self.obey()
        self.requested = True


@contextlib.contextmanager
def watched_signals() -> Iterator[Interruption]:
    """Within it, SIGINT and SIGTERM ask to stop instead of stopping; in the main thread only, as Python wants it.

    Raises:
        KeyboardInterrupt: On leaving it, if a signal came: what was being done is done, and no more shall begin.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.signal(number, interruption.handle) for number in _SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    interruption.obey()
