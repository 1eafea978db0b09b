"""Folds as jobs: commands that a user could type, each in a process of its own."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from glioframe.pipeline.training import TrainingRequest

_TRAIN = "glioframe.cli.train"


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A command.

    Attributes:
        name: ``fold_0``.
        module: Of the command.
        arguments: Of it, but for the device.
        device: ``auto``, ``cpu``, ``cuda``, ...
        processes: How many train together.
    """

    name: str
    module: str = _TRAIN
    arguments: tuple[str, ...]
    device: str = "auto"
    processes: int = 1

    def command(self) -> tuple[str, ...]:
        """The words of the command, to be run by this Python."""
        words = (*self.arguments, "--device", self.device)
        if self.processes == 1:
            return (sys.executable, "-m", self.module, *words)
        torchrun = ("torch.distributed.run", "--standalone", f"--nproc-per-node={self.processes}", "-m")
        return (sys.executable, "-m", *torchrun, self.module, *words)


def fold_job(request: TrainingRequest, fold: int, *, processes: int) -> Job:
    """Trains one fold, or goes on with it, and leaves the report to others."""
    arguments = (*_arguments(request, str(fold)), "--no-report")
    return Job(name=f"fold_{fold}", arguments=arguments, device=request.device, processes=processes)


def report_job(request: TrainingRequest) -> Job:
    """Evaluates and reports, once every fold is trained."""
    return Job(name="report", arguments=_arguments(request, "all"), device=request.device)


def tail(log: Path) -> str:
    """The last line of a log."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "nothing in its log"


def _arguments(request: TrainingRequest, fold: str) -> tuple[str, ...]:
    target = ("--target", request.target) if request.target else ()
    overrides = (word for override in request.overrides for word in ("--set", override))
    pretrained = ("--pretrained", str(request.pretrained.absolute())) if request.pretrained else ()
    return (request.dataset, request.task, request.configuration, fold, "--c", *target, *pretrained, *overrides)
