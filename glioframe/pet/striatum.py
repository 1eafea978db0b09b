"""The striatum on a PET: from where the anatomy puts it to where its uptake is.

FDOPA stays in the caudate nucleus and the putamen, which then look like tumor. An affine alignment of an average brain
leaves them some millimetres off; each side is moved to where the uptake resembles it most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import ndimage, optimize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.core.geometry import Spacing

Side = Literal["left", "right"]

_RESOLUTION_FWHM_MM = 5.0
_SD_PER_FWHM = 1 / 2.3548
_SURROUNDINGS_MM = 12.0
_FIRST_STEP_MM = 4.0
_PENALTY_PER_MM2 = 5e-4  # of correlation: where uptake tells little, anatomy decides
_MOST_SHIFT_MM = 10.0
_LEAST_CORRELATION = 0.5
_MOST_LESION_PART = 0.3
_SPILL_MM = 6.0  # how far outside of it the scanner's blur makes it look like tumor
_HALF = 0.5


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SideOfStriatum:
    """Caudate nucleus and putamen of one side.

    Attributes:
        mask: ``(z, y, x)``, voxels that are mostly striatum.
        shift_mm: How far its uptake lies from where the anatomy put it; 0 where uptake was not trusted.
        correlation: Of uptake with the striatum's shape in and around the mask, lesion left out; NaN if unknown.
        why_unrefined: Why uptake was not trusted; empty where it was.
    """

    mask: NDArray[np.bool_]
    shift_mm: float
    correlation: float
    why_unrefined: str = ""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Striatum:
    """Both sides, which do not overlap."""

    left: SideOfStriatum
    right: SideOfStriatum

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Both sides ``(z, y, x)``."""
        return self.left.mask | self.right.mask

    def side(self, side: Side) -> SideOfStriatum:
        """One of both."""
        return self.left if side == "left" else self.right

    @property
    def flags(self) -> tuple[str, ...]:
        """What a reader should look at, in words."""
        sides: tuple[tuple[Side, SideOfStriatum], ...] = (("left", self.left), ("right", self.right))
        return tuple(
            f"{name} striatum placed by anatomy alone: {side.why_unrefined}"
            for name, side in sides
            if side.why_unrefined
        )

    def physiological(self, *, spacing_mm: Spacing, lesion: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """Where uptake is the striatum's: itself and what it spills over to, but not a lesion beside it."""
        mask = self.mask
        if not mask.any():
            return mask
        near = ndimage.distance_transform_edt(~mask, sampling=spacing_mm) <= _SPILL_MM
        return np.asarray(mask | near if lesion is None else mask | (near & ~lesion))


def place_striatum(
    uptake: NDArray[Any],
    fractions: NDArray[np.float32],
    *,
    brain: NDArray[np.bool_],
    spacing_mm: Spacing,
    lesion: NDArray[np.bool_] | None = None,
    has_uptake: bool = True,
) -> Striatum:
    """Puts both sides where they are.

    Args:
        uptake: ``(z, y, x)``, a static image in any unit.
        fractions: ``(2, z, y, x)``, striatum in each voxel by anatomy: left, then right.
        brain: ``(z, y, x)``.
        spacing_mm: Voxel edges (z, y, x).
        lesion: ``(z, y, x)``; its voxels tell nothing about the striatum.
        has_uptake: False for a tracer that the striatum does not take up: anatomy decides.
    """
    usable = brain & np.isfinite(uptake)
    if lesion is not None:
        usable &= ~lesion
    sides = [_placed(uptake, side, usable, spacing_mm=spacing_mm, has_uptake=has_uptake) for side in fractions]
    return Striatum(left=sides[0], right=sides[1])


def _placed(
    uptake: NDArray[Any],
    fraction: NDArray[np.float32],
    usable: NDArray[np.bool_],
    *,
    spacing_mm: Spacing,
    has_uptake: bool,
) -> SideOfStriatum:
    by_anatomy = fraction > _HALF
    if not has_uptake or not by_anatomy.any():
        return SideOfStriatum(
            mask=by_anatomy,
            shift_mm=0.0,
            correlation=float("nan"),
            why_unrefined="" if by_anatomy.any() else "it lies outside of the image",
        )
    hidden = float((by_anatomy & ~usable).sum() / by_anatomy.sum())
    if hidden > _MOST_LESION_PART:
        return SideOfStriatum(
            mask=by_anatomy,
            shift_mm=0.0,
            correlation=float("nan"),
            why_unrefined=f"{hidden:.0%} of it lies in the lesion or outside of the brain",
        )
    shift_mm, correlation = _best_shift(uptake, fraction, usable, spacing_mm=spacing_mm)
    distance_mm = float(np.linalg.norm(shift_mm))
    if correlation < _LEAST_CORRELATION or distance_mm > _MOST_SHIFT_MM:
        return SideOfStriatum(
            mask=by_anatomy,
            shift_mm=0.0,
            correlation=correlation,
            why_unrefined=f"uptake resembles it too little (correlation {correlation:.2f}, {distance_mm:.0f} mm off)",
        )
    moved = ndimage.shift(fraction, shift_mm / np.asarray(spacing_mm), order=1)
    return SideOfStriatum(mask=np.asarray(moved > _HALF), shift_mm=distance_mm, correlation=correlation)


def _best_shift(
    uptake: NDArray[Any], fraction: NDArray[np.float32], usable: NDArray[np.bool_], *, spacing_mm: Spacing
) -> tuple[NDArray[np.float64], float]:
    """The shift (z, y, x) in mm that makes the blurred striatum most like the uptake around it, and the likeness."""
    spacing = np.asarray(spacing_mm)
    expected = ndimage.gaussian_filter(fraction, _RESOLUTION_FWHM_MM * _SD_PER_FWHM / spacing)
    around = ndimage.distance_transform_edt(fraction <= _HALF, sampling=spacing_mm) <= _SURROUNDINGS_MM
    index = np.argwhere(around & usable).T
    values = uptake[around & usable].astype(np.float64)
    if np.ptp(values) == 0:
        return np.zeros(3), 0.0

    def correlation(shift_mm: NDArray[np.float64]) -> float:
        shifted = ndimage.map_coordinates(expected, index - (shift_mm / spacing)[:, None], order=1)
        return float(np.corrcoef(shifted, values)[0, 1]) if np.ptp(shifted) > 0 else 0.0

    def badness(shift_mm: NDArray[np.float64]) -> float:
        return _PENALTY_PER_MM2 * float(shift_mm @ shift_mm) - correlation(shift_mm)

    simplex = np.vstack([np.zeros(3), _FIRST_STEP_MM * np.eye(3)])
    options = {"initial_simplex": simplex, "xatol": 0.1, "fatol": 1e-4}
    best = optimize.minimize(badness, np.zeros(3), method="Nelder-Mead", options=options).x
    return best, correlation(best)
