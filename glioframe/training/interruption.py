"""Ends training in order when the user or the scheduler asks for it."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""A user's Ctrl-C; the end of a machine or a job; and what schedulers send some time before a limit is reached."""


class Interruption:
    """Whether somebody asked to stop.

    Args:
        hasty: Whether a second Ctrl-C interrupts at once.

    Attributes:
        requested: Set by the first signal.
    """

    def __init__(self, *, hasty: bool = True) -> None:
        self.requested = False
        self._hasty = hasty

    def obey(self) -> None:
        """Stops, if somebody asked for it. What is worth keeping must be saved before."""
        if self.requested:
            raise KeyboardInterrupt

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Notes the signal; only a second Ctrl-C interrupts at once, as schedulers may send several signals."""
        if self._hasty and number == signal.SIGINT:
            self.obey()
        self.requested = True


@contextlib.contextmanager
def watched_signals(*, hasty: bool = True) -> Iterator[Interruption]:
    """Within it, signals ask to stop instead of stopping; in the main thread only, as Python wants it.

    Args:
        hasty: Whether a second Ctrl-C interrupts at once. Not so among several processes: those that share a terminal
            get every Ctrl-C twice, from it and from what started them.

    Raises:
        KeyboardInterrupt: On leaving it, if a signal came: what was being done is done, and no more shall begin.
    """
    interruption = Interruption(hasty=hasty)
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
