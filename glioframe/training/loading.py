"""Brings patches from disk into batches, ahead of need and without an order of its own."""

# ruff: noqa: N806 - names end in their shape: B batch, C channels, Z Y X space

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from glioframe.inference.patch import load_case_patch
from glioframe.training.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from glioframe.artifacts.case import PreprocessedCase
    from glioframe.artifacts.plan import FieldOfView
    from glioframe.core.geometry import Shape

RequestT = TypeVar("RequestT")
ResultT = TypeVar("ResultT")
_CACHE_BYTES = 2_000_000_000


class PatchStore:
    """Patches of cases, kept in memory as long as there is room. Safe to use from several threads.

    Args:
        cases: By case id.
        field_of_view: Of the plan.
        patch_size_vox: Of the configuration.
        jitter_vox: Largest shift that :meth:`patch` may be asked for.
        cache_bytes: Room; patches beyond it are read again each time.
    """

    def __init__(
        self,
        cases: Mapping[str, PreprocessedCase],
        *,
        field_of_view: FieldOfView,
        patch_size_vox: Shape,
        jitter_vox: Shape = (0, 0, 0),
        cache_bytes: int = _CACHE_BYTES,
    ) -> None:
        self._cases = cases
        self._field_of_view = field_of_view
        self._patch_size_vox = patch_size_vox
        self._jitter_vox = jitter_vox
        self._free_bytes = cache_bytes
        self._kept: dict[str, NDArray[np.float32]] = {}
        self._lock = threading.Lock()

    def patch(self, case_id: str, *, shift_vox: Shape = (0, 0, 0)) -> NDArray[np.float32]:
        """The patch (c, z, y, x) of a case, its center shifted by ``shift_vox``."""
        surroundings = self._surroundings(case_id)
        corner = [margin + shift for margin, shift in zip(self._jitter_vox, shift_vox, strict=True)]
        z, y, x = (slice(first, first + n) for first, n in zip(corner, self._patch_size_vox, strict=True))
        return surroundings[:, z, y, x]

    def presence(self, case_id: str) -> tuple[bool, ...]:
        """Which channels a case has."""
        return self._cases[case_id].properties.channels_present

    def _surroundings(self, case_id: str) -> NDArray[np.float32]:
        kept = self._kept.get(case_id)
        if kept is not None:
            return kept
        read = load_case_patch(
            self._cases[case_id], self._field_of_view, self._patch_size_vox, margin_vox=self._jitter_vox
        )
        with self._lock:
            if case_id not in self._kept and read.nbytes <= self._free_bytes:
                self._free_bytes -= read.nbytes
                self._kept[case_id] = read
        return read


def collate(
    store: PatchStore,
    case_ids: Sequence[str],
    *,
    classes: Mapping[str, int],
    shifts_vox: Sequence[Shape] | None = None,
) -> Batch:
    """A batch on the CPU of the given cases; without a class for each, it has no target."""
    shifts_vox = shifts_vox or [(0, 0, 0)] * len(case_ids)
    patches = [store.patch(case_id, shift_vox=shift) for case_id, shift in zip(case_ids, shifts_vox, strict=True)]
    presence_BC = torch.tensor([store.presence(case_id) for case_id in case_ids])
    image_BCZYX = torch.from_numpy(np.stack(patches))
    return Batch(
        image_BCZYX=image_BCZYX.where(presence_BC[:, :, None, None, None], 0.0),
        presence_BC=presence_BC,
        target_B=torch.tensor([classes[case_id] for case_id in case_ids]) if classes else None,
        case_ids=tuple(case_ids),
    )


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on ``device``; the copy to a GPU overlaps with what the GPU is doing."""
    if device.type == "cpu":
        return batch

    def moved(tensor: torch.Tensor) -> torch.Tensor:
        source = tensor.pin_memory() if device.type == "cuda" else tensor
        return source.to(device, non_blocking=True)

    return Batch(
        image_BCZYX=moved(batch.image_BCZYX),
        presence_BC=moved(batch.presence_BC),
        target_B=None if batch.target_B is None else moved(batch.target_B),
        case_ids=batch.case_ids,
    )


def prefetched(
    load: Callable[[RequestT], ResultT], requests: Iterable[RequestT], *, threads: int, ahead: int = 4
) -> Generator[ResultT]:
    """Yields ``load(request)`` in the order of the requests, with up to ``ahead`` more under way in threads."""
    with ThreadPoolExecutor(threads) as pool:
        under_way: deque[Future[ResultT]] = deque()
        try:
            for request in requests:
                under_way.append(pool.submit(load, request))
                if len(under_way) > ahead:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
