"""The processes that train one network together, and what they tell each other.

``torchrun`` starts them, and each takes its share of every batch. They go on, stop and fail together: whatever one of
them meets, it says in the exchange that the others are at, or will come to next.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeVar

import torch
from torch import distributed

from glioframe.core.errors import SettingError, TrainingError
from glioframe.training.device import resolve_device

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import nn

T = TypeVar("T")
_PATIENCE = timedelta(days=1)
"""How long a rank waits for the others: the first validates and reports alone, which may take hours."""


class PeerFailedError(Exception):
    """Another rank has failed, and tells the user why."""


class PeerOutOfMemoryError(torch.OutOfMemoryError):
    """Another rank ran out of memory."""


@dataclass(frozen=True, slots=True)
class _Word:
    """What a rank says in an exchange: its content, or that it cannot go on."""

    content: object = None
    failure: Literal["", "memory", "error"] = ""


@dataclass(frozen=True, slots=True)
class Ranks:
    """Which of how many processes this one is.

    Attributes:
        rank: Number of this process.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def current(cls) -> Ranks:
        """Those that this process has joined; it alone, if none."""
        if distributed.is_available() and distributed.is_initialized():
            return cls(distributed.get_rank(), distributed.get_world_size())
        return cls()

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes, draws and talks."""
        return self.rank == 0

    def exchange(self, content: T) -> list[T]:
        """What every rank has to say, in their order.

        Raises:
            PeerFailedError: One cannot go on.
            PeerOutOfMemoryError: One has no memory left.
        """
        if self.size == 1:
            return [content]
        words = self._gather(_Word(content))
        failures = {word.failure for word in words}
        if "error" in failures:
            raise PeerFailedError
        if "memory" in failures:
            raise PeerOutOfMemoryError("Another process ran out of memory")
        return [word.content for word in words]  # type: ignore[misc]  # every rank says the same kind of thing

    def wait(self) -> None:
        """Goes on when every rank has come here."""
        self.exchange(None)

    @contextlib.contextmanager
    def short_of_memory_together(self) -> Iterator[None]:
        """Within it, a rank that runs out of memory tells the others; all leave it by :class:`torch.OutOfMemoryError`.

        Raises:
            PeerFailedError: Another rank failed otherwise at the same time.
        """
        try:
            yield
        except PeerOutOfMemoryError:
            raise
        except torch.OutOfMemoryError:
            if any(word.failure == "error" for word in self._gather(_Word(failure="memory"))):
                raise PeerFailedError from None
            raise

    @contextlib.contextmanager
    def failing_together(self) -> Iterator[None]:
        """Within it, a rank that fails tells the others; the lowest that failed keeps its error.

        Raises:
            PeerFailedError: On every rank but that one.
        """
        try:
            yield
        except PeerFailedError:
            raise
        except BaseException as error:
            if any(word.failure == "error" for word in self._last_words()[: self.rank]):
                raise PeerFailedError from error
            raise

    def share_gradients(self, network: nn.Module, *, weight: float) -> None:
        """Replaces the gradients by their mean over the ranks.

        Args:
            network: Whose gradients.
            weight: Of this rank's gradients in the mean.
        """
        if self.size == 1:
            return
        parameters = list(network.parameters())
        own = frozenset(index for index, parameter in enumerate(parameters) if parameter.grad is not None)
        told = self.exchange((weight, own))
        total = sum(weight for weight, _ in told)
        used = [parameters[index] for index in sorted(frozenset().union(*(indices for _, indices in told)))]
        pending = []
        for parameter in used:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            parameter.grad.mul_(weight / total)
            pending.append(distributed.all_reduce(parameter.grad, async_op=True))
        for reduction in pending:
            reduction.wait()

    def share_buffers(self, network: nn.Module) -> None:
        """Gives every rank the first one's buffers."""
        if self.size > 1:
            for buffer in network.buffers():
                distributed.broadcast(buffer, src=0)

    def gather_tensor(self, own: torch.Tensor) -> list[torch.Tensor]:
        """The tensors of all ranks, in their order, where ``own`` is."""
        return [tensor.to(own.device) for tensor in self.exchange(own.cpu())]

    def device(self, name: str) -> torch.device:
        """The device called ``name`` that is this rank's: of several GPUs, each process of a machine gets its own.

        Raises:
            SettingError: There is no such device, or fewer GPUs than processes.
        """
        device = resolve_device(name)
        if self.size == 1 or device.type != "cuda":
            return device
        number, available = distributed.get_node_local_rank(), torch.cuda.device_count()
        if device.index not in (None, number) or number >= available:
            raise SettingError(
                f"--device {name}",
                expected="a GPU for every process of this machine",
                found=f"process {number + 1} and {available} GPUs",
                fix="Pass --device auto, and to torchrun --nproc-per-node with the number of GPUs",
            )
        device = torch.device("cuda", number)
        torch.cuda.set_device(device)
        return device

    def refuse_small_batch(self, batch_size: int, *, where: Path) -> None:
        """Checks that there is a case for every rank.

        Raises:
            TrainingError: There is not.
        """
        if batch_size < self.size:
            raise TrainingError(
                where,
                expected="at least one case of a batch for every process",
                found=f"batches of {batch_size} for {self.size} processes",
                fix=f"Start at most {batch_size} processes, or raise plan.batch_size with --set",
            )

    def _last_words(self) -> list[_Word]:
        try:
            return self._gather(_Word(failure="error"))
        except PeerFailedError:  # they are gone already
            return []

    def _gather(self, word: _Word) -> list[_Word]:
        words = [word] * self.size
        if self.size > 1:
            try:
                distributed.all_gather_object(words, word)
            except RuntimeError as error:  # a killed process says nothing
                raise PeerFailedError from error
        return words


@contextlib.contextmanager
def joined_ranks() -> Iterator[Ranks]:
    """Within it, the processes that ``torchrun`` started know each other, and fail together; else there is just one.

    Raises:
        PeerFailedError: Another rank failed, and has its error.
    """
    if not (distributed.is_available() and distributed.is_torchelastic_launched()):
        yield Ranks()
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, timeout=_PATIENCE)
    ranks = Ranks.current()
    try:
        with ranks.failing_together():
            yield ranks
    finally:
        distributed.destroy_process_group()
