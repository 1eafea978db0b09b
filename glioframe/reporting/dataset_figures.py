"""Which case has which channel, and how large the lesions are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from glioframe.reporting.figure import ACCENT, FAINT, GROUND, inline_svg, literal, new_figure

if TYPE_CHECKING:
    from glioframe.artifacts.fingerprint import Fingerprint

_MOST_CASE_NAMES = 40


def draw_presence(fingerprint: Fingerprint, *, name: str) -> str:
    """SVG of the presence matrix, one row per channel and one column per training case."""
    present = np.array([case.channels_present for case in fingerprint.cases], dtype=float).T
    channels = [literal(entry.channel.name) for entry in fingerprint.channels]
    figure, (axes,) = new_figure(width_in=9.6, height_in=0.9 + 0.22 * len(channels))
    axes.pcolormesh(present, cmap=ListedColormap([FAINT, ACCENT]), vmin=0, vmax=1, edgecolor="none", lw=0)
    axes.vlines(np.arange(1, present.shape[1]), 0, len(channels), color=GROUND, lw=0.8)
    axes.hlines(np.arange(1, len(channels)), 0, present.shape[1], color=GROUND, lw=1.5)
    axes.set_yticks(np.arange(len(channels)) + 0.5, labels=channels)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if present.shape[1] <= _MOST_CASE_NAMES:
        names = [case.case_id for case in fingerprint.cases]
        axes.set_xticks(np.arange(len(names)) + 0.5, labels=names, rotation=90, fontsize=6)
    else:
        axes.set_xticks([])
        axes.set_xlabel(f"{present.shape[1]} training cases")
    listed = ", ".join(
        f"{entry.channel.name} in {entry.num_present} of {len(fingerprint.cases)}" for entry in fingerprint.channels
    )
    return inline_svg(figure, name=name, description=f"Channels present: {listed} training cases.")


def draw_lesion_volumes(fingerprint: Fingerprint, *, name: str) -> str:
    """SVG of the lesion volumes on a logarithmic axis; empty without lesion labels."""
    volumes_ml = np.array([case.lesion_volume_ml for case in fingerprint.cases if case.lesion_volume_ml])
    if volumes_ml.size == 0:
        return ""
    figure, (axes,) = new_figure(width_in=4.6, height_in=2.2)
    low, high = np.log10(volumes_ml.min()), np.log10(volumes_ml.max())
    margin = max(0.1, 0.05 * (high - low))
    edges = np.logspace(low - margin, high + margin, int(np.clip(volumes_ml.size / 2, 6, 20)) + 1)
    axes.hist(volumes_ml, bins=list(edges), color=ACCENT, rwidth=0.92)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.set_xlabel("lesion volume (mL)")
    axes.set_ylabel("cases")
    description = (
        f"Lesion volumes of {volumes_ml.size} cases: median {np.median(volumes_ml):.3g} mL, "
        f"{volumes_ml.min():.3g} to {volumes_ml.max():.3g} mL."
    )
    return inline_svg(figure, name=name, description=description)
