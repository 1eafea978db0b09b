"""Time-activity curves of a case: how lesion, healthy reference and brain took the tracer up and let it go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glioframe.artifacts.pet_record import HOTTEST, STRIATUM
from glioframe.reporting.figure import ACCENT, FAINT, INK, LEGEND, NEGATIVE, POSITIVE, inline_svg, new_figure

if TYPE_CHECKING:
    from glioframe.artifacts.pet_record import DynamicPetRecord

_PURPLE = "#cc79a7"
"""Of Okabe and Ito's colors too."""
_LINES = {HOTTEST: INK, "lesion": POSITIVE, "reference": NEGATIVE, STRIATUM: _PURPLE, "brain": ACCENT}
_UNITS = {"suv_bw": "SUV", "tbr": "TBR", "bq_ml": "kBq/mL"}
_BQ_PER_KBQ = 1000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeActivity:
    """Curves of a PET that is not preprocessed; what is named as in :class:`DynamicPetRecord` means the same.

    Attributes:
        channel: The raw channel.
        unit: Of the curves.
        frame_start_s: When each frame starts, in seconds from injection.
        frame_duration_s: How long it lasts.
        curves: Mean of each frame by region.
        static_window_s: What is shaded.
    """

    channel: str
    unit: str
    frame_start_s: tuple[float, ...]
    frame_duration_s: tuple[float, ...]
    curves: dict[str, tuple[float, ...]]
    static_window_s: tuple[float, float]


def draw_time_activity(
    record: DynamicPetRecord | TimeActivity, *, name: str, window_name: str = "static window"
) -> str:
    """SVG with one line per region; each frame is a bar as long as it lasted, the static window is shaded.

    Args:
        record: The curves.
        name: Unique on the page.
        window_name: Written on the shaded minutes.
    """
    figure, (axes,) = new_figure(width_in=5.7, height_in=2.4)
    start_min = np.array(record.frame_start_s) / 60.0
    stop_min = start_min + np.array(record.frame_duration_s) / 60.0
    divisor = _BQ_PER_KBQ if record.unit == "bq_ml" else 1.0
    low, high = (edge / 60.0 for edge in record.static_window_s)
    axes.axvspan(low, high, color=FAINT, alpha=0.5, lw=0)
    for region, color in _LINES.items():
        if region not in record.curves:
            continue
        values = np.array(record.curves[region]) / divisor
        axes.plot((start_min + stop_min) / 2, values, color=color, lw=1.1, alpha=0.7)
        axes.hlines(values, start_min, stop_min, color=color, lw=2.6, label=region)
    axes.set(xlim=(0, stop_min[-1]), ylim=(0, None))
    axes.text(
        (low + high) / 2,
        0.02,
        window_name,
        ha="center",
        va="bottom",
        fontsize=8,
        color=INK,
        transform=axes.get_xaxis_transform(),
    )
    axes.set_xlabel("minutes from injection")
    axes.set_ylabel(_UNITS.get(record.unit, record.unit))
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), **LEGEND)
    return inline_svg(figure, name=name, description=describe_time_activity(record))


def describe_time_activity(record: DynamicPetRecord | TimeActivity) -> str:
    """When each curve is highest, in words."""
    mid_min = (np.array(record.frame_start_s) + np.array(record.frame_duration_s) / 2) / 60.0
    peaks = [
        f"{region} in the frame around {mid_min[int(np.argmax(record.curves[region]))]:.3g} min"
        for region in _LINES
        if region in record.curves
    ]
    return f"Time-activity curves of {record.channel}. Highest: {', '.join(peaks)}."
