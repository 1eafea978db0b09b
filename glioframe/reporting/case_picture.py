"""One picture of a case: every channel in three planes through the lesion, with the lesion's outline.

Radiological convention: the patient's right is on the left of axial and coronal slices, as if seen from the feet and
from the front; sagittal slices look to the left of the page. Preprocessed arrays are (z, y, x) in RAS+.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps, patheffects
from matplotlib.figure import Figure
from scipy.ndimage import zoom

from glioframe.imaging.array_store import load_array
from glioframe.reporting.figure import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from glioframe.artifacts.case import PreprocessedCase
    from glioframe.core.geometry import Spacing

PANEL_PX = 190
_GAP_PX = 3
_DPI = 100
_JPEG_QUALITY = 86
_OUTLINE = "#00e5ff"
_PLANES = (("axial", "R", "L"), ("coronal", "R", "L"), ("sagittal", "A", "P"))


@dataclass(frozen=True, kw_only=True)
class ChannelView:
    """How to show a channel.

    Attributes:
        label: Written on its row.
        is_pet: Shown in color, instead of gray.
        scale: What the array was divided by, to be multiplied back.
        low: Bottom of the window of PET.
        high: Top of the window in the channel's unit; None for each case's own 99.9th percentile.
    """

    label: str
    is_pet: bool
    scale: float = 1.0
    low: float = 0.0
    high: float | None = None


def draw_case(case: PreprocessedCase, views: Sequence[ChannelView]) -> bytes:
    """The picture of a preprocessed case, through the lesion's center of mass, or the middle without a lesion label."""
    properties = case.properties
    return draw_planes(
        load_array(case.image_path),
        [
            view if present else replace(view, label=f"{view.label}: absent")
            for view, present in zip(views, properties.channels_present, strict=True)
        ],
        lesion=load_array(case.label_path) > 0 if properties.has_lesion_label else None,
        present=properties.channels_present,
        center_vox=properties.lesion_center_vox,
        spacing_mm=properties.spacing_mm,
    )


def draw_planes(
    image: Sequence[NDArray[Any]] | NDArray[Any],
    views: Sequence[ChannelView],
    *,
    lesion: NDArray[np.bool_] | None,
    present: Sequence[bool],
    center_vox: tuple[float, float, float] | None,
    spacing_mm: Spacing,
) -> bytes:
    """JPEG with one row per channel and the axial, coronal and sagittal slice as columns.

    Args:
        image: Channels, each (z, y, x) in RAS+ on one grid.
        views: How to show each.
        lesion: (z, y, x), to be outlined; None without a label.
        present: Whether each channel was acquired; on others no outline is drawn.
        center_vox: What the slices go through (z, y, x); None for the middle.
        spacing_mm: Of the grid (z, y, x).
    """
    shape_vox = image[0].shape
    center = center_vox or tuple((size - 1) / 2 for size in shape_vox)
    at_zyx = tuple(int(np.clip(round(c), 0, n - 1)) for c, n in zip(center, shape_vox, strict=True))
    rows = [_row(_windowed(channel, view), at_zyx, spacing_mm) for channel, view in zip(image, views, strict=True)]
    outline = None
    if lesion is not None:
        outlined = _row(lesion, at_zyx, spacing_mm)
        outline = np.vstack([outlined * is_present for is_present in present])
    return _jpeg(_colored(rows, views), outline, [view.label for view in views])


def plane_slices(volume: NDArray[Any], at_zyx: Sequence[int]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Axial, coronal and sagittal slice of a RAS+ volume (z, y, x) as they lie on the page, row 0 at the top.

    Axial: anterior up, patient's right on the left. Coronal: superior up, patient's right on the left. Sagittal:
    superior up, anterior on the left.
    """
    z, y, x = at_zyx
    return volume[z, ::-1, ::-1], volume[::-1, y, ::-1], volume[::-1, ::-1, x]


def _windowed(channel: NDArray[Any], view: ChannelView) -> NDArray[np.float32]:
    """Values in [0, 1] for display."""
    values = channel.astype(np.float32) * view.scale
    inside = values[values != 0]
    if inside.size == 0:
        return np.zeros_like(values)
    low, high = (view.low, view.high) if view.is_pet else (float(np.percentile(inside, 1)), None)
    top = float(np.percentile(inside, 99.9)) if high is None else high
    shown: NDArray[np.float32] = np.clip((values - low) / max(top - low, 1e-6), 0, 1)
    shown[values == 0] = 0  # outside of the brain and of the field of view
    return shown


def _row(volume: NDArray[Any], at_zyx: Sequence[int], spacing_mm: Spacing) -> NDArray[np.float32]:
    """The three slices side by side, equally magnified, each on a square panel; (panel, 3 panels)."""
    z, y, x = spacing_mm
    longest_mm = max(n * s for n, s in zip(volume.shape, spacing_mm, strict=True))
    slices = zip(plane_slices(volume, at_zyx), ((y, x), (z, x), (z, y)), strict=True)
    panels = []
    for plane, (row_mm, column_mm) in slices:
        px_per_mm = PANEL_PX / longest_mm
        factors = (row_mm * px_per_mm, column_mm * px_per_mm)
        resized = zoom(plane.astype(np.float32), factors, order=1, grid_mode=True, mode="nearest")
        panels.append(_centered(np.clip(resized, 0, 1)))
    return np.pad(np.hstack(panels), ((0, _GAP_PX), (0, 0)))


def _centered(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    panel = np.zeros((PANEL_PX, PANEL_PX + _GAP_PX), dtype=np.float32)
    height, width = min(plane.shape[0], PANEL_PX), min(plane.shape[1], PANEL_PX)
    top, left = (PANEL_PX - height) // 2, (PANEL_PX - width) // 2
    panel[top : top + height, left : left + width] = plane[:height, :width]
    return panel


def _colored(rows: Sequence[NDArray[np.float32]], views: Sequence[ChannelView]) -> NDArray[np.float64]:
    gray, color = colormaps["gray"], colormaps["inferno"]
    painted = [(color if view.is_pet else gray)(row)[..., :3] for row, view in zip(rows, views, strict=True)]
    stacked: NDArray[np.float64] = np.vstack(painted)
    return stacked


def _jpeg(montage: NDArray[np.float64], outline: NDArray[np.float32] | None, labels: Sequence[str]) -> bytes:
    height, width = montage.shape[:2]
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="black")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(montage, interpolation="none", extent=(0, width, height, 0))
    if outline is not None and outline.max() > 0.5:  # noqa: PLR2004 - half a voxel
        x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
        axes.contour(x, y, outline, levels=[0.5], colors=[_OUTLINE], linewidths=0.9)
    axes.set_axis_off()
    for row, label in enumerate(labels):
        top = row * (PANEL_PX + _GAP_PX)
        _write(axes, 5, top + 4, literal(label), ha="left", va="top", size=8.5)
        for column, (plane, left, right) in enumerate(_PLANES):
            start = column * (PANEL_PX + _GAP_PX)
            _write(axes, start + 4, top + PANEL_PX / 2, left, ha="left", va="center", size=7.5)
            _write(axes, start + PANEL_PX - 4, top + PANEL_PX / 2, right, ha="right", va="center", size=7.5)
            if row == 0:
                _write(axes, start + PANEL_PX - 5, 4, plane, ha="right", va="top", size=7.5)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="jpg", dpi=_DPI, pil_kwargs={"quality": _JPEG_QUALITY, "optimize": True})
    return buffer.getvalue()


def _write(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:  # noqa: ANN401 - matplotlib's own
    shadow = patheffects.withStroke(linewidth=2, foreground="black")
    axes.text(x, y, text, color="white", path_effects=[shadow], **style)
