"""Which maps of a dynamic PET the network sees, by tracer and frame schedules, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glioframe.artifacts.plan import ChannelPlan, DynamicPetPlan, Normalization
from glioframe.core.errors import PlanError
from glioframe.core.modality import Modality, Tracer
from glioframe.pet.frames import FrameSchedule
from glioframe.planning.reasons import Chosen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.dataset import Channel, DatasetDescription
    from glioframe.artifacts.fingerprint import ChannelFingerprint, Fingerprint
    from glioframe.artifacts.plan import Recipe
    from glioframe.artifacts.protocol import Protocol, Window

_SCALES: dict[Recipe, tuple[float, str]] = {
    "static_tbr": (2.0, "background is 1 by definition and uptake counts as tumor from 1.6 to 2 on"),
    "time_to_peak_min": (20.0, "tumors peak between a few minutes and the end of the scan"),
    "k2_per_min": (0.2, "healthy brain is near 0.06 per minute and tumors reach 0.4"),
    "vt": (1.0, "tissue and plasma hold about equal concentrations"),
    "late_slope_per_h": (2.0, "slopes lie within a few backgrounds per hour, rising or falling"),
}
"""Constants of each recipe, from the calibrated tissue tables: never from the dataset."""
_WHY: dict[Recipe, str] = {
    "static_tbr": "Mean over {static} min after injection, over the mean of the contralateral crescent: needs neither "
    "dose nor weight.",
    "time_to_peak_min": "When the fitted curve is highest, from {search} min on: aggressive tumor peaks early. The "
    "peak of the fitted curve, because the highest frame follows noise and framing.",
    "k2_per_min": "Transport back to plasma of the one-tissue model: the washout, whatever the height of the curve.",
    "vt": "Distribution volume K1 / k2 of the one-tissue model: uptake as if waited for equilibrium.",
    "late_slope_per_h": "Slope of the TBR curve over {slope} min: falling in aggressive tumor.",
}
_POPULATION_INPUT = (Tracer.FDOPA, Tracer.FET)
_LATEST_START_S = 30.0
_LEAST_SPAN_S = 900.0
_LEAST_FRAMES = 6
_LEAST_PART = 0.5
_LEAST_SLOPE_FRAMES = 2


@dataclass(frozen=True, kw_only=True)
class DynamicChannels:
    """The network channels that a dynamic PET becomes.

    Attributes:
        channels: With their reasons.
        plan: How they are read from the frames.
        reasons: Of the windows and of the recipes that were left out, by name.
    """

    channels: list[Chosen[ChannelPlan]]
    plan: DynamicPetPlan
    reasons: dict[str, str]


def dynamic_channel(fingerprint: Fingerprint) -> ChannelFingerprint | None:
    """The dataset's dynamic PET; None without.

    Raises:
        PlanError: There are several.
    """
    found = [each for each in fingerprint.channels if each.channel.modality == Modality.PET_DYNAMIC]
    if len(found) > 1:
        raise PlanError(
            f"plan of {fingerprint.dataset_name}",
            expected="at most one pet_dynamic channel, as a plan holds one protocol",
            found=", ".join(each.channel.name for each in found),
            fix="Split the dataset by tracer, or declare the others as pet_static",
        )
    return found[0] if found else None


def plan_dynamic_pet(fingerprint: ChannelFingerprint, protocol: Protocol | None) -> DynamicChannels:
    """Expands a dynamic channel.

    Raises:
        PlanError: No protocol, one of another tracer, or scans that miss its static window.
    """
    channel = fingerprint.channel
    protocol = _checked(channel, protocol)
    schedules = [FrameSchedule(each.frame_start_s, each.frame_duration_s) for each in fingerprint.schedules]
    if not schedules:
        raise PlanError(
            f"channel {channel.name!r}",
            expected="a training case with a dynamic PET",
            found="none",
            fix="Add images with their sidecars, or remove the channel from dataset.json",
        )
    stop_s = min(schedule.end_s[-1] for schedule in schedules)
    static_s = _common_window(channel, protocol.static_window_s, schedules, stop_s=stop_s)
    slope_s, no_slope = _slope_window(protocol, schedules, stop_s=stop_s)
    no_kinetics = _why_no_kinetics(channel, schedules, stop_s=stop_s)
    obstacles: dict[Recipe, str] = {
        "static_tbr": "",
        "time_to_peak_min": no_kinetics,
        "late_slope_per_h": no_slope,
        "k2_per_min": no_kinetics,
        "vt": no_kinetics,
    }
    recipes = [recipe for recipe, obstacle in obstacles.items() if not obstacle]
    left_out = {
        f"channels.{channel.name}_{recipe}": f"Left out: {obstacle}"
        for recipe, obstacle in obstacles.items()
        if obstacle
    }
    words = {
        "static": _minutes(static_s),
        "slope": _minutes(slope_s) if slope_s else "",
        "search": f"{protocol.peak_search_start_s / 60:g}",
    }
    return DynamicChannels(
        channels=[_channel_plan(channel, recipe, _WHY[recipe].format(**words)) for recipe in recipes],
        plan=DynamicPetPlan(protocol=protocol, static_window_s=static_s, slope_window_s=slope_s, stop_s=stop_s),
        reasons={
            "dynamic_pet": f"Protocol {protocol.name}. {len(schedules)} frame schedule"
            f"{'s' if len(schedules) > 1 else ''} among the training cases; the shortest scan ends after "
            f"{stop_s / 60:g} min, and later frames are left out everywhere, so that all sites' maps compare. Static "
            f"window {_minutes(static_s)} min"
            + (
                ", as in the protocol."
                if static_s == protocol.static_window_s
                else f", the part of the protocol's {_minutes(protocol.static_window_s)} min that every scan covers."
            ),
            **left_out,
        },
    )


def choose_alignment(description: DatasetDescription) -> Chosen[bool]:
    """Whether PET is aligned: where the channels of a case came from several scans on their own grids."""
    if description.grid == "per_channel" and any(channel.modality.is_pet for channel in description.channels):
        return Chosen(
            True,  # noqa: FBT003 - the value that is chosen
            "Channels have grids of their own, so the head may have moved between scans: PET is registered rigidly to "
            "the first channel, and the frames of a dynamic PET to each other.",
        )
    return Chosen(
        False,  # noqa: FBT003 - the value that is chosen
        "No PET on a grid of its own: what lies on one grid was aligned by whoever resampled it.",
    )


def _checked(channel: Channel, protocol: Protocol | None) -> Protocol:
    if protocol is None:
        raise PlanError(
            f"channel {channel.name!r}",
            expected="a protocol, because it is dynamic PET",
            found="none",
            fix='Set "protocol" in dataset.json, or pass --protocol with a file of plans/protocols or your own',
        )
    if protocol.tracer != channel.tracer:
        raise PlanError(
            f"protocol {protocol.name}",
            expected=f"the tracer of channel {channel.name!r}, {channel.tracer}",
            found=str(protocol.tracer),
            fix="Choose a protocol of that tracer",
        )
    return protocol


def _common_window(channel: Channel, window_s: Window, schedules: Sequence[FrameSchedule], *, stop_s: float) -> Window:
    """The part of a window that all scans cover: at least half of it."""
    start_s = max([window_s[0], *(schedule.start_s[0] for schedule in schedules)])
    common = (start_s, min(window_s[1], stop_s))
    if common[1] - common[0] < _LEAST_PART * (window_s[1] - window_s[0]):
        raise PlanError(
            f"channel {channel.name!r}",
            expected=f"scans that cover at least half of the static window, {_minutes(window_s)} min",
            found=f"{_minutes(common)} min common to all training cases",
            fix="Choose a protocol that fits the scans, or take the shorter ones out of the training cases",
        )
    return common


def _slope_window(
    protocol: Protocol, schedules: Sequence[FrameSchedule], *, stop_s: float
) -> tuple[Window | None, str]:
    """The late slope's window, or why there is none."""
    if protocol.slope_window_s is None:
        return None, f"protocol {protocol.name} has no slope window."
    start_s, until_s = protocol.slope_window_s
    window = (start_s, min(until_s, stop_s))
    if window[1] - start_s < _LEAST_PART * (until_s - start_s):
        return None, f"the shortest scan ends after {stop_s / 60:g} min, within {_minutes((start_s, until_s))} min."
    fewest = min(int((schedule.frames_within(*window) > 0).sum()) for schedule in schedules)
    if fewest < _LEAST_SLOPE_FRAMES or not all(schedule.covers(*window) for schedule in schedules):
        return None, f"a schedule has {fewest} frame(s) in {_minutes(window)} min."
    return window, ""


def _why_no_kinetics(channel: Channel, schedules: Sequence[FrameSchedule], *, stop_s: float) -> str:
    """Why the one-tissue model cannot be fitted; empty where it can."""
    if channel.tracer not in _POPULATION_INPUT:
        return f"no population input function is known for {channel.tracer}."
    latest = max(schedule.start_s[0] for schedule in schedules)
    if latest > _LATEST_START_S:
        return f"a scan starts {latest:g} s after injection; the model needs the bolus."
    if stop_s < _LEAST_SPAN_S:
        return f"the shortest scan ends after {stop_s / 60:g} min; the model needs {_LEAST_SPAN_S / 60:g} min."
    fewest = min(schedule.num_frames for schedule in schedules)
    if fewest < _LEAST_FRAMES:
        return f"a scan has {fewest} frames; the model needs {_LEAST_FRAMES}."
    return ""


def _channel_plan(channel: Channel, recipe: Recipe, why: str) -> Chosen[ChannelPlan]:
    scale, because = _SCALES[recipe]
    return Chosen(
        ChannelPlan(
            source=channel,
            recipe=recipe,
            normalization=Normalization(scheme="fixed_scale", scale=scale),
            interpolation=1,
        ),
        f"{why} A quantity: every case is divided by the same {scale:g}, because {because}. Linear interpolation, "
        "because splines overshoot at hot spots.",
    )


def _minutes(window_s: Window) -> str:
    return f"{window_s[0] / 60:g} to {window_s[1] / 60:g}"
