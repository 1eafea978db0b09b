"""Frame averages of exponential responses for any rate, looked up instead of convolved voxel by voxel.

The response is smooth in the logarithm of its rate. A thousand exact convolutions on a logarithmic grid, joined by
straight lines, are within 1e-5 of the exact response for every rate between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glioframe.core.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    FloatArray = NDArray[np.floating]

DEFAULT_NUM_NODES = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class LogGrid:
    """Rates at equal steps of their logarithm.

    Attributes:
        min_per_min: The lowest rate.
        max_per_min: The highest rate.
        num_nodes: How many rates.
    """

    min_per_min: float
    max_per_min: float
    num_nodes: int = DEFAULT_NUM_NODES

    def __post_init__(self) -> None:
        """Refuses an empty range."""
        if not (0 < self.min_per_min < self.max_per_min and self.num_nodes > 1):
            raise SettingError(
                "range of rates",
                expected="0 < lowest < highest, with two or more nodes",
                found=f"{self.min_per_min:g} to {self.max_per_min:g} per min with {self.num_nodes} nodes",
                fix="Give the lowest rate first, above 0",
            )

    @property
    def step(self) -> float:
        """The difference of the logarithms of neighboring rates."""
        return float(np.log(self.max_per_min / self.min_per_min)) / (self.num_nodes - 1)

    @property
    def rate_per_min(self) -> NDArray[np.float64]:
        """The rates ``(n,)``, increasing."""
        return np.geomspace(self.min_per_min, self.max_per_min, self.num_nodes)

    def locate(self, log_rate: FloatArray) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The node below each rate and how far the rate lies towards the next one, 0 to 1; clipped to the range."""
        position = (np.asarray(log_rate, np.float64) - np.log(self.min_per_min)) / self.step
        index = np.clip(position.astype(np.intp), 0, self.num_nodes - 2)
        return index, np.clip(position - index, 0.0, 1.0).astype(np.float32)


def rows_between(table: FloatArray, index: NDArray[np.intp], fraction: NDArray[np.float32]) -> FloatArray:
    """Rows of a table ``(num_nodes, m)`` at places given by `LogGrid.locate`: an array ``(n, m)``."""
    lower = table[index]
    rows: FloatArray = table[index + 1]
    rows -= lower
    rows *= fraction[:, None]
    rows += lower
    return rows


def tabulate(
    grid: LogGrid, response: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Responses at the nodes and their derivatives by the logarithm of the rate: two arrays ``(num_nodes, m)``."""
    table = response(grid.rate_per_min)
    return table, np.gradient(table, grid.step, axis=0, edge_order=2)
