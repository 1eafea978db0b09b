"""Cards of cases: the worst errors first, each with its picture, probability, reference and verdict."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.artifacts.json_file import to_json
from glioframe.artifacts.pet_record import load_pet_record
from glioframe.core.errors import ArtifactError
from glioframe.reporting.case_picture import ChannelView, draw_case
from glioframe.reporting.pet_remarks import pet_remarks
from glioframe.reporting.picture_cache import drawn_once
from glioframe.reporting.time_activity_figure import draw_time_activity
from glioframe.reporting.wording import UNIT_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from glioframe.artifacts.case import PreprocessedCase
    from glioframe.artifacts.fingerprint import Fingerprint
    from glioframe.artifacts.pet_record import DynamicPetRecord
    from glioframe.artifacts.plan import ChannelPlan, Plan, Recipe
    from glioframe.reporting.questions import CaseAnswer

MOST_CARDS = 24
_ANY_NAME = "name-of-the-figure"
_MAPS: dict[Recipe, tuple[str, float, float]] = {
    "static_tbr": ("TBR", 0.0, 3.5),
    "static_suv": ("SUV", 0.0, 5.0),
    "time_to_peak_min": ("time to peak, min", 0.0, 30.0),
    "k2_per_min": ("k2, 1/min", 0.0, 0.4),
    "vt": ("VT, mL/cm3", 0.0, 1.2),
    "late_slope_per_h": ("late slope, TBR/h", -4.0, 2.0),
}
"""Name and window of each map of a dynamic PET: the same in every report, so that eyes learn them."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """One case of the gallery.

    Attributes:
        answer: What the model said.
        picture: JPEG as a data URI; empty where there is none.
        description: Of the picture, for those who cannot see it.
        curves: Time-activity curves as SVG; empty without dynamic PET.
        remarks: What to look at in the PET, in words.
    """

    answer: CaseAnswer
    picture: str
    description: str
    curves: str = ""
    remarks: tuple[str, ...] = ()


def cards_of(
    answers: Sequence[CaseAnswer],
    *,
    plan: Plan | None,
    fingerprint: Fingerprint | None,
    preprocessed_folder: Path | None,
    most: int = MOST_CARDS,
    name: str = "cards",
) -> list[Card]:
    """The first ``most`` answers as cards; pictures need the plan and the preprocessed cases.

    ``name`` tells galleries on one page apart.
    """
    views = channel_views(plan, fingerprint) if plan else ()
    return [
        _card(answer, views, preprocessed_folder, name=f"{name}-{index}") for index, answer in enumerate(answers[:most])
    ]


def channel_views(plan: Plan, fingerprint: Fingerprint | None) -> tuple[ChannelView, ...]:
    """How to show each planned channel: PET in its unit with one window for all cases, MRI case by case."""
    return tuple(_view(channel, fingerprint) for channel in plan.channels)


def _view(channel: ChannelPlan, fingerprint: Fingerprint | None) -> ChannelView:
    source = channel.source
    if not source.modality.is_pet:
        return ChannelView(label=source.name, is_pet=False)
    scale = channel.normalization.scale if channel.normalization.scheme == "fixed_scale" else 1.0
    if channel.recipe != "identity":
        what, low, top = _MAPS[channel.recipe]
        label = f"{source.name}: {what}, {low:g} to {top:g}"
        return ChannelView(label=label, is_pet=True, scale=scale, low=low, high=top)
    unit = UNIT_NAMES.get(source.unit or "", "")
    high = _common_top(source.name, fingerprint)
    window = f" {unit} 0 to {high:.3g}" if high is not None else f" {unit}"
    return ChannelView(label=f"{source.name}{window.rstrip()}", is_pet=True, scale=scale, high=high)


def _common_top(name: str, fingerprint: Fingerprint | None) -> float | None:
    """The higher of the 99.5th percentiles in brain and lesion over all cases, in the channel's unit."""
    if fingerprint is None:
        return None
    statistics = [
        part
        for entry in fingerprint.channels
        if entry.channel.name == name
        for part in (entry.brain, entry.lesion)
        if part is not None
    ]
    return max((part.percentile_99_5 for part in statistics), default=None)


def _card(answer: CaseAnswer, views: Sequence[ChannelView], folder: Path | None, *, name: str) -> Card:
    if folder is None or not views:
        return Card(answer=answer, picture="", description="")
    try:
        case = load_preprocessed_case(folder, answer.case_id)
    except ArtifactError:
        return Card(answer=answer, picture="", description="")
    record = load_pet_record(folder, answer.case_id)
    dynamic = record.dynamic if record else None
    moves = [
        f"{move.channel} moved {move.shift_mm:.1f} mm and {move.rotation_deg:.1f} degrees onto the first channel"
        if move.is_applied
        else f"{move.channel} left where it was: registration did not help"
        for move in (record.alignments if record else ())
    ]
    encoded = base64.b64encode(_picture(case, views)).decode("ascii")
    through = "the lesion's center" if case.properties.has_lesion_label else "the middle of the image"
    outlined = ", with the lesion outlined" if case.properties.has_lesion_label else ""
    return Card(
        answer=answer,
        picture=f"data:image/jpeg;base64,{encoded}",
        description=(
            f"Axial, coronal and sagittal slices of {', '.join(view.label for view in views)} through {through} of "
            f"case {answer.case_id}{outlined}."
        ),
        curves=_curves(case, dynamic, name=name) if dynamic else "",
        remarks=(*(pet_remarks(record) if record else ()), *moves),
    )


def _picture(case: PreprocessedCase, views: Sequence[ChannelView]) -> bytes:
    properties = case.properties
    shown = {
        "preprocessed": properties.preprocessing_hash,
        "present": properties.channels_present,
        "views": [asdict(view) for view in views],
    }
    return drawn_once(case.folder, case.case_id, shown, lambda: draw_case(case, views), suffix=".jpg")


def _curves(case: PreprocessedCase, dynamic: DynamicPetRecord, *, name: str) -> str:
    """As SVG; ``name`` tells its identifiers from those of other figures on the page."""
    svg = drawn_once(
        case.folder,
        case.case_id,
        {"dynamic": to_json(dynamic)},
        lambda: draw_time_activity(dynamic, name=_ANY_NAME).encode(),
        suffix=".svg",
    )
    return svg.decode().replace(_ANY_NAME, f"{name}-curves")
