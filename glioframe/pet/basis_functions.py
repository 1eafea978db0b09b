"""Least squares of ``uptake * response(k2) + vb * blood`` for many curves, by basis functions and Gauss-Newton steps.

For a given k2 the model is linear. The best k2 of a logarithmic grid is found with one matrix product for all
curves; steps in log k2 then leave the grid. A negative blood fraction is refused by fitting again without blood.
All frames are scaled with the roots of their weights.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from glioframe.pet.exponential_table import LogGrid, rows_between, tabulate

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

_REFINEMENTS = 3
_SMALLEST = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class BasisFunctions:
    """What all curves share.

    Attributes:
        blood: Whole blood in the frames ``(t,)``.
        coarse_log_k2: The grid of the first comparison ``(k,)``.
        coarse: Responses on that grid ``(k, t)``.
        grid: The fine grid of the tables.
        response: Responses on the fine grid ``(m, t)``.
        derivative: Their derivatives by log k2 ``(m, t)``.
        gram: On the fine grid, the products of response and derivative with each other and with blood ``(m, 5)``.
    """

    blood: Values
    coarse_log_k2: Values
    coarse: Values
    grid: LogGrid
    response: NDArray[np.float32]
    derivative: NDArray[np.float32]
    gram: Values

    @classmethod
    def prepare(cls, respond: Callable[[Values], Values], blood: Values, coarse: LogGrid) -> BasisFunctions:
        """Tabulates the responses.

        Args:
            respond: From rates ``(k,)`` to weighted frames ``(k, t)``.
            blood: Weighted frames of whole blood ``(t,)``.
            coarse: The grid of the first comparison; the fine grid has the same ends.
        """
        grid = LogGrid(min_per_min=coarse.min_per_min, max_per_min=coarse.max_per_min)
        response, derivative = tabulate(grid, respond)
        products = [response**2, response * derivative, derivative**2, response * blood, derivative * blood]
        return cls(
            blood=blood,
            coarse_log_k2=np.log(coarse.rate_per_min),
            coarse=respond(coarse.rate_per_min),
            grid=grid,
            response=response.astype(np.float32),
            derivative=derivative.astype(np.float32),
            gram=np.stack([product.sum(axis=1) for product in products], axis=1),
        )

    def fit(self, curves: NDArray[np.float32]) -> Solution:
        """The constrained optimum of weighted curves ``(n, t)``."""
        solution = self._fit(curves, with_blood=True)
        bloodless = np.flatnonzero(solution.vb < 0)
        if bloodless.size:
            solution.replace(bloodless, self._fit(curves[bloodless], with_blood=False))
        return solution

    def _fit(self, curves: NDArray[np.float32], *, with_blood: bool) -> Solution:
        center = self.coarse_log_k2[self._best_node(curves, with_blood=with_blood)]
        reach = self.coarse_log_k2[1] - self.coarse_log_k2[0]
        lowest = np.maximum(center - reach, self.coarse_log_k2[0])
        highest = np.minimum(center + reach, self.coarse_log_k2[-1])
        solution = self._solve_at(curves, center, with_blood=with_blood)
        for _ in range(_REFINEMENTS):
            log_k2 = np.clip(solution.log_k2 + solution.step, lowest, highest)
            solution = self._solve_at(curves, log_k2, with_blood=with_blood)
        return solution

    def _best_node(self, curves: NDArray[np.float32], *, with_blood: bool) -> NDArray[np.intp]:
        """The node that explains most of each curve with an uptake above zero."""
        unit = self.coarse
        if with_blood:
            unit = unit - np.outer(unit @ self.blood, self.blood) / (self.blood @ self.blood + _SMALLEST)
        unit = unit / (np.linalg.norm(unit, axis=1, keepdims=True) + _SMALLEST)
        node: NDArray[np.intp] = (curves @ unit.T.astype(np.float32)).argmax(axis=1)
        return node

    def _solve_at(self, curves: NDArray[np.float32], log_k2: Values, *, with_blood: bool) -> Solution:
        """The linear coefficients at given k2, and the step towards a better one."""
        index, fraction = self.grid.locate(log_k2)
        response = rows_between(self.response, index, fraction)
        rr, rd, dd, rb, db = rows_between(self.gram, index, fraction).T
        blood = (self.blood * with_blood).astype(np.float32)
        bb = float(self.blood @ self.blood) + _SMALLEST if with_blood else np.inf
        # Blood is projected out of the response and of its derivative.
        rr, rd, dd = np.maximum(rr - rb**2 / bb, _SMALLEST), rd - rb * db / bb, dd - db**2 / bb
        on_blood = curves @ blood
        uptake = np.maximum((np.einsum("nt,nt->n", curves, response) - rb * on_blood / bb) / rr, 0.0)
        vb = (on_blood - rb * uptake) / bb
        response *= uptake[:, None].astype(np.float32)
        residuals = curves - response
        residuals -= np.multiply.outer(vb.astype(np.float32), blood)
        derivative = rows_between(self.derivative, index, fraction)
        determinant = np.maximum(rr * dd - rd**2, _SMALLEST)
        descent = np.einsum("nt,nt->n", residuals, derivative) * rr / determinant
        return Solution(
            log_k2=np.asarray(log_k2, np.float64),
            step=descent / np.maximum(uptake, _SMALLEST),
            uptake=uptake,
            vb=vb,
            residual_squares=np.einsum("nt,nt->n", residuals, residuals).astype(np.float64),
            response_variance=dd / determinant,
            covariance=-rd / determinant,
            derivative_variance=rr / determinant,
            response_per_blood=rb / bb,
            derivative_per_blood=db / bb,
            blood_variance=np.full(len(curves), 1 / bb),
        )


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Solution:
    """The optimum of each curve, all ``(n,)``.

    Attributes:
        log_k2: Where the model was linearized.
        step: The next Gauss-Newton step in log k2.
        uptake: The coefficient of the response, (1 - Vb) K1.
        vb: The coefficient of blood.
        residual_squares: The weighted sum of squares that is left.
        response_variance: Variance of the uptake, for residuals of variance 1.
        covariance: Of the uptake and of uptake times log k2.
        derivative_variance: Variance of uptake times log k2.
        response_per_blood: How much of the response looks like blood.
        derivative_per_blood: How much of its derivative does.
        blood_variance: Variance of Vb were the uptake known; zero without blood.
    """

    log_k2: Values
    step: Values
    uptake: Values
    vb: Values
    residual_squares: Values
    response_variance: Values
    covariance: Values
    derivative_variance: Values
    response_per_blood: Values
    derivative_per_blood: Values
    blood_variance: Values

    def replace(self, where: NDArray[np.intp], other: Solution) -> None:
        """Takes over the curves of another solution, in place."""
        for each in fields(self):
            getattr(self, each.name)[where] = getattr(other, each.name)

    def variances(self) -> tuple[Values, Values, Values, Values]:
        """Variances of log K1, log k2, log VT and Vb for residuals of variance 1, by the delta method.

        Of curves with uptake and some tissue; K1 is the uptake over 1 - Vb, and VT is K1 over k2.
        """
        uptake, tissue_part = np.maximum(self.uptake, _SMALLEST), np.maximum(1 - self.vb, _SMALLEST)
        uu, us, ss = self.response_variance, self.covariance, self.derivative_variance
        # Blood takes what response and derivative leave, so that Vb varies against them.
        vu = -(self.response_per_blood * uu + self.derivative_per_blood * us)
        vs = -(self.response_per_blood * us + self.derivative_per_blood * ss)
        vv = self.blood_variance - self.response_per_blood * vu - self.derivative_per_blood * vs
        log_k1 = uu / uptake**2 + vv / tissue_part**2 + 2 * vu / (uptake * tissue_part)
        log_k2 = ss / uptake**2
        log_k1_k2 = us / uptake**2 + vs / (uptake * tissue_part)
        return log_k1, log_k2, log_k1 + log_k2 - 2 * log_k1_k2, vv
