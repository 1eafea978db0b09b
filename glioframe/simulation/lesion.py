"""An irregular treated tumor: a rim of living tissue, sometimes a dead core, edema around."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from glioframe.simulation.anatomy import Anatomy, rotation
from glioframe.simulation.fields import smooth_field
from glioframe.simulation.tissues import Tissue

if TYPE_CHECKING:
    from glioframe.simulation.grid import BoolArray, FloatArray
    from glioframe.simulation.template import Template
    from glioframe.simulation.traits import LesionShape

_ROUGHNESS = 0.3
_LOG_AXIS_SD = 0.18
_EDEMA_IN_GRAY = 0.25


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesion:
    """A lesion on the grid of its anatomy.

    Attributes:
        mask: (z, y, x), what an expert would outline: tumor and necrosis.
        rim: (z, y, x), fraction of living tumor or, after treatment, of inflamed tissue.
        necrosis: (z, y, x), fraction of dead core.
        edema: (z, y, x), severity from 0 to 1 around the mask, 0 inside it.
    """

    mask: BoolArray
    rim: FloatArray
    necrosis: FloatArray
    edema: FloatArray

    def replace_tissue(self, fractions: dict[Tissue, FloatArray]) -> dict[Tissue, FloatArray]:
        """The tissue fractions with the lesion in the place of what was there."""
        healthy = 1 - self.rim - self.necrosis
        kept = {tissue: fraction * healthy for tissue, fraction in fractions.items()}
        return {**kept, Tissue.TUMOR: self.rim, Tissue.NECROSIS: self.necrosis}


def grow_lesion(anatomy: Anatomy, template: Template, traits: LesionShape, rng: np.random.Generator) -> Lesion:
    """Places a lesion of the wanted volume in white matter, away from the striatum."""
    depth_mm = _depth_mm(anatomy, template, traits, rng)
    voxel_ml = anatomy.grid.voxel_ml
    depth_mm -= threshold(depth_mm, traits.volume_ml / voxel_ml)
    mask = _largest_piece(depth_mm > 0)
    core_depth_mm = threshold(np.where(mask, depth_mm, -np.inf), traits.necrosis_fraction * mask.sum())
    soft = anatomy.grid.spacing_mm
    inside = ramp(depth_mm, soft) * ndimage.binary_dilation(mask) * anatomy.brain
    necrosis = ramp(depth_mm - core_depth_mm, soft) * mask
    reach = np.clip(1 + depth_mm / traits.edema_width_mm, 0, 1) * (depth_mm > -traits.edema_width_mm)
    conducts = anatomy.fractions[Tissue.WHITE_MATTER] * (1 - _EDEMA_IN_GRAY) + _EDEMA_IN_GRAY
    near = ndimage.binary_dilation(mask, iterations=max(1, round(traits.edema_width_mm / soft)))
    return Lesion(
        mask=mask,
        rim=(inside - np.minimum(inside, necrosis)).astype(np.float32),
        necrosis=np.minimum(inside, necrosis).astype(np.float32),
        edema=(reach * conducts * near * anatomy.brain * (1 - inside)).astype(np.float32),
    )


def _depth_mm(anatomy: Anatomy, template: Template, traits: LesionShape, rng: np.random.Generator) -> FloatArray:
    """Roughly how far inside (positive) or outside a rough ellipsoid each voxel lies; -inf outside the brain."""
    radius_mm = traits.radius_mm
    site_mm = template.lesion_sites.choose(rng, radius_mm=radius_mm)
    center_mm = anatomy.pose.subject_from_template(site_mm)
    log_axes = _LOG_AXIS_SD * rng.standard_normal(3)
    turn = rotation(rng.uniform(0, np.pi, size=3)) / np.exp(log_axes - log_axes.mean())[:, None]
    offset_mm = anatomy.grid.positions_mm() - center_mm[:, None, None, None]
    distance_mm = np.linalg.norm(np.einsum("ij,jzyx->izyx", turn, offset_mm), axis=0)
    bumps = smooth_field(rng, anatomy.grid, scale_mm=0.6 * radius_mm)
    depth_mm = radius_mm * (1 + _ROUGHNESS * bumps) - distance_mm
    return np.where(anatomy.brain, depth_mm, -np.inf).astype(np.float32)


def threshold(values: FloatArray, count: float) -> float:
    """The value that about ``count`` voxels exceed."""
    num_voxels = round(count)
    if num_voxels == 0:
        return float(values.max())
    return float(np.partition(values, -num_voxels - 1, axis=None)[-num_voxels - 1])


def _largest_piece(mask: BoolArray) -> BoolArray:
    pieces, count = ndimage.label(mask)
    if count == 0:
        return mask
    sizes = np.bincount(pieces.ravel())[1:]
    return np.asarray(pieces == 1 + sizes.argmax(), dtype=bool)


def ramp(depth_mm: FloatArray, width_mm: float) -> FloatArray:
    """The fraction of a voxel that lies at positive depth, for an edge that crosses it."""
    return np.asarray(np.clip(depth_mm / width_mm + 0.5, 0, 1), dtype=np.float32)
