"""Adds up the tensors that are alive while operations run, real or fake."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_aten = torch.ops.aten
_CONVOLUTIONS = (_aten.convolution.default, _aten.convolution_backward.default)


class TensorTracker(TorchDispatchMode):
    """Within it, every new tensor counts from its making until the last reference to its memory is gone.

    A convolution counts its operands twice while it runs: oneDNN and cuDNN bring them into layouts of their own first.

    Attributes:
        peak_bytes: Most that was alive at a time.

    Args:
        alive: What is there already.
    """

    def __init__(self, alive: Iterable[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known: set[int] = set()
        self._live_bytes = 0
        self._hold(alive)
        self.peak_bytes = self._live_bytes

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the operation returns
        """Runs the operation and counts what it made."""
        result = func(*args, **(kwargs or {}))
        self._hold(_tensors(result))
        copies = sum(tensor.nbytes for tensor in _tensors((args, result))) if func in _CONVOLUTIONS else 0
        self.peak_bytes = max(self.peak_bytes, self._live_bytes + copies)
        return result

    def _hold(self, tensors: Iterable[torch.Tensor]) -> None:
        for tensor in tensors:
            storage = tensor.untyped_storage()
            address = storage._cdata  # noqa: SLF001 - of the memory, which several tensors may share
            if address not in self._known:
                self._known.add(address)
                self._live_bytes += storage.nbytes()
                weakref.finalize(storage, self._release, address, storage.nbytes())

    def _release(self, address: int, num_bytes: int) -> None:
        self._known.discard(address)
        self._live_bytes -= num_bytes


def _tensors(values: Any) -> list[torch.Tensor]:  # noqa: ANN401 - a nest of anything
    return [value for value in tree_iter(values) if isinstance(value, torch.Tensor)]
