"""Checks of grids: what is meant to lie on one grid does, and what shares the world does overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from glioframe.dataset.findings import error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from glioframe.artifacts.preflight import Finding
    from glioframe.core.geometry import Geometry

_TOLERANCE_VOX = 0.1
_MIN_OVERLAP = 0.5
_SAMPLES_PER_AXIS = 24


def reference_grid(grids: Mapping[Path, Geometry]) -> Path:
    """The file whose grid most files share; of equals, the first."""
    return max(grids, key=lambda path: sum(grids[path].matches(other) for other in grids.values()))


def check_shared_grid(case_id: str, grids: Mapping[Path, Geometry], reference: Path) -> Iterator[Finding]:
    """Every file must lie on the grid of ``reference``."""
    expected = grids[reference]
    for path, grid in grids.items():
        if grid.shape_vox != expected.shape_vox:
            yield error(
                "same_shape",
                path,
                expected=f"{_shape(expected)} voxels (z, y, x) as in {reference.name}",
                found=_shape(grid),
                fix='Resample it onto that grid, or set "grid" to "per_channel" in dataset.json',
                case_id=case_id,
            )
        elif not grid.matches(expected, tolerance_vox=_TOLERANCE_VOX):
            yield error(
                "same_affine",
                path,
                expected=f"the place of {reference.name} to within {_TOLERANCE_VOX} voxels",
                found=f"an affine whose corners lie up to {grid.largest_corner_shift_mm(expected):.1f} mm away",
                fix='Export it again with its true affine, resample it, or set "grid" to "per_channel"',
                case_id=case_id,
            )


def check_overlap(case_id: str, grids: Mapping[Path, Geometry], reference: Path) -> Iterator[Finding]:
    """Every file must show half of what ``reference`` shows, or lie half inside it."""
    for path, grid in grids.items():
        share = max(covered_share(grids[reference], grid), covered_share(grid, grids[reference]))
        if share < _MIN_OVERLAP:
            yield error(
                "fields_of_view_overlap",
                path,
                expected=f"at least {_MIN_OVERLAP:.0%} of the field of view shared with {reference.name}",
                found=f"{share:.0%}",
                fix="Export both images again with their true affines, or register them",
                case_id=case_id,
            )


def covered_share(grid: Geometry, by: Geometry) -> float:
    """The share of the field of view of ``grid`` that lies inside the field of view of ``by``."""
    fractions = (np.arange(_SAMPLES_PER_AXIS) + 0.5) / _SAMPLES_PER_AXIS
    # Voxel i spans i - 0.5 to i + 0.5; positions in the other grid count from its first edge.
    axes = [fractions * size - 0.5 for size in reversed(grid.shape_vox)]
    points_xyz = np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)
    to_other = np.linalg.inv(np.array(by.affine)) @ np.array(grid.affine)
    from_edge: NDArray[np.float64] = to_other[:3, :3] @ points_xyz + to_other[:3, 3:] + 0.5
    sizes = np.array(by.shape_vox[::-1])[:, None]
    return float(((from_edge >= 0) & (from_edge <= sizes)).all(axis=0).mean())


def _shape(grid: Geometry) -> str:
    return " x ".join(str(size) for size in grid.shape_vox)
