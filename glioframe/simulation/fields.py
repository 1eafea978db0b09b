"""Smooth random fields: deformations, texture, bias and image noise are made of them."""

from __future__ import annotations

import math

import numpy as np

from glioframe.simulation.grid import BOX_MM, FloatArray, Grid

_SUPPORT_KNOTS = 2


def smooth_field(rng: np.random.Generator, grid: Grid, *, scale_mm: float) -> FloatArray:
    """A Gaussian random field (z, y, x) of mean 0 and variance 1 at every voxel.

    It is a cubic B-spline with independent normal coefficients on a lattice of ``scale_mm``; voxels more
    than four lattice steps apart are independent. The lattice is tied to the world, not to the grid, so the
    same generator gives the same field at every resolution.
    """
    weights = [
        _spline_weights(axis, low_mm=low, high_mm=high, scale_mm=scale_mm)
        for axis, (low, high) in zip(grid.axes_mm, BOX_MM, strict=True)
    ]
    knots_zyx = tuple(weight.shape[1] for weight in weights)
    coefficients = rng.standard_normal(knots_zyx, dtype=np.float32)
    field = np.einsum("zi,yj,xk,ijk->zyx", *weights, coefficients, optimize=True)
    return np.ascontiguousarray(field, dtype=np.float32)


def _spline_weights(axis_mm: FloatArray, *, low_mm: float, high_mm: float, scale_mm: float) -> FloatArray:
    """Weights (voxel, knot) of the cubic B-splines, each voxel's weights with unit sum of squares."""
    num_knots = math.ceil((high_mm - low_mm) / scale_mm) + 2 * _SUPPORT_KNOTS
    knots = np.arange(num_knots) - _SUPPORT_KNOTS + 1
    distance = np.abs((axis_mm[:, None] - low_mm) / scale_mm - knots[None, :])
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    weights = np.where(distance < 1, near, far)
    return np.asarray(weights / np.linalg.norm(weights, axis=1, keepdims=True), dtype=np.float32)
