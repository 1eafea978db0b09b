"""A head made of ellipsoids, known at every place: no interpolation enters the truth when it moves."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from glioframe.core.geometry import Geometry
from glioframe.imaging.volume import affine_from_array


def make_geometry(shape, spacing):
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = -spacing * (np.array(shape[::-1]) - 1) / 2
    return Geometry(shape_vox=shape, affine=affine_from_array(affine))


def head(geometry, move=None, *, pet=False):
    """An analytic head sampled at the inverse of ``move``: no interpolation enters the truth."""
    index = np.indices(geometry.shape_vox)[::-1].reshape(3, -1)
    world = np.array(geometry.affine) @ np.vstack([index, np.ones(index.shape[1])])
    x, y, z = (np.linalg.inv(move) @ world if move is not None else world)[:3]

    def blob(center, radii):
        distance = sum(((c - m) / r) ** 2 for c, m, r in zip((x, y, z), center, radii, strict=True))
        return 1 / (1 + np.exp(12 * (np.sqrt(distance) - 1)))

    brain = blob((0, 0, 0), (60, 75, 55))
    ventricle, lesion, nucleus = (
        blob((4, -5, 8), (12, 28, 10)),
        blob((30, 25, 15), (14, 12, 16)),
        blob((-22, 8, -4), (9, 14, 10)),
    )
    weights = (1.0, -0.8, 2.0, 0.8) if pet else (1.0, -0.6, 0.5, -0.3)
    values = sum(w * part for w, part in zip(weights, (brain, ventricle, lesion, nucleus), strict=True))
    return values.reshape(geometry.shape_vox).astype(np.float32)


def rigid(angles_deg, shift_mm):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles_deg, degrees=True).as_matrix()
    matrix[:3, 3] = shift_mm
    return matrix
