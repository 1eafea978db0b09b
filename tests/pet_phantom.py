"""Heads with a lesion for the reference region: the maps that nilearn bundles, turned, scaled, blurred and noisy."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from nilearn import datasets
from scipy import ndimage

SPACING_MM = (4.0, 4.0, 4.0)
GRAY_SUV, WHITE_SUV, STRIATUM_SUV, FLUID_SUV, LESION_SUV = 1.06, 0.70, 1.88, 0.20, 2.40
BLUR_FWHM_MM = 6.0
# Center and half axes (z, y, x) in MNI mm of ellipsoids around the caudate nucleus and the putamen of the right side.
STRIATUM_MM = (((8.0, 13.0, 13.0), (12.0, 12.0, 6.5)), ((1.0, 3.0, 26.0), (10.0, 17.0, 7.5)))


@dataclass(frozen=True)
class Head:
    """Arrays (z, y, x); ``healthy`` is the uptake without lesion and noise, ``lateral_mm`` the truth of the sides."""

    uptake: np.ndarray
    healthy: np.ndarray
    brain: np.ndarray
    tissue: np.ndarray
    striatum: np.ndarray
    lesion: np.ndarray
    lateral_mm: np.ndarray
    height_mm: np.ndarray


@cache
def template() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Maps at 2 mm, smoothed to it, and the position (z, y, x) of the first voxel."""
    loaders = {
        "brain": datasets.load_mni152_template,
        "gray": datasets.load_mni152_gm_template,
        "white": datasets.load_mni152_wm_template,
    }
    images = {name: load(resolution=1) for name, load in loaders.items()}
    origin = np.array(images["gray"].affine)[2::-1, 3] + 0.5
    maps = {name: image.get_fdata(dtype=np.float32).T for name, image in images.items()}
    maps["brain"] = (maps["brain"] > 0).astype(np.float32)
    return {name: ndimage.uniform_filter(volume, 2)[1::2, 1::2, 1::2] for name, volume in maps.items()}, origin


def make_head(
    *,
    seed: int,
    lesion_center_mm: tuple[float, float, float],
    lesion_radius_mm: float,
    angles_deg: tuple[float, float, float] | None = None,
    noise: float = 0.10,
) -> Head:
    """A head in a random pose; the lesion's center (z, y, x) is in MNI mm."""
    rng = np.random.default_rng(seed)
    matrix = rotation(rng.normal(0, 4, 3) if angles_deg is None else np.array(angles_deg))
    matrix = matrix * np.exp(rng.normal(0.05, 0.03, 3))[None, :]
    shape, center = (46, 54, 46), np.array([23, 27, 23])[:, None] * np.array(SPACING_MM)[:, None]
    grid = np.indices(shape).reshape(3, -1) * np.array(SPACING_MM)[:, None] - center
    mni = matrix @ grid + np.array([5.0, -18.0, 0.0])[:, None] + rng.normal(0, 3, 3)[:, None]
    maps, origin = template()
    gray, white, inside = (
        ndimage.map_coordinates(maps[name], (mni - origin[:, None]) / 2, order=1).reshape(shape)
        for name in ("gray", "white", "brain")
    )
    z, y, x = mni.reshape(3, *shape)
    brain = inside > 0.5
    striatum = brain & np.any([ellipsoid((z, y, np.abs(x)), *which) for which in STRIATUM_MM], axis=0)
    wobble = ndimage.gaussian_filter(rng.normal(size=shape), 2)
    radius = lesion_radius_mm * (1 + 0.2 * wobble / wobble.std())
    lesion = brain & (ellipsoid((z, y, x), lesion_center_mm, (1, 1, 1), squared=True) < radius**2)
    whole = np.maximum(gray + white, 1)
    gray, white = gray / whole, white / whole
    healthy = brain * (gray * GRAY_SUV + white * WHITE_SUV + np.clip(1 - gray - white, 0, 1) * FLUID_SUV)
    healthy = np.where(striatum, STRIATUM_SUV, healthy)
    sigma = BLUR_FWHM_MM / 2.355 / np.array(SPACING_MM)
    uptake = ndimage.gaussian_filter(np.where(lesion, LESION_SUV, healthy), sigma)
    uptake = uptake * (1 + noise * rng.normal(size=shape))
    return Head(
        uptake=uptake.astype(np.float32),
        healthy=ndimage.gaussian_filter(healthy, sigma),
        brain=brain,
        tissue=(gray + white > 0.7) & brain,
        striatum=striatum,
        lesion=lesion,
        lateral_mm=x,
        height_mm=z,
    )


def ellipsoid(position, center, half_axes, *, squared=False):
    distance = sum(((p - c) / a) ** 2 for p, c, a in zip(position, center, half_axes, strict=True))
    return distance if squared else distance < 1


def rotation(angles_deg: np.ndarray) -> np.ndarray:
    matrix = np.eye(3)
    for axis, angle in enumerate(np.radians(angles_deg)):
        turn = np.eye(3)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        turn[[first, first, second, second], [first, second, first, second]] = (
            np.cos(angle),
            -np.sin(angle),
            np.sin(angle),
            np.cos(angle),
        )
        matrix = turn @ matrix
    return matrix
