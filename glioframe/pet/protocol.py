"""A protocol together with its frames: loading by name, and whether its windows fit."""

from __future__ import annotations

from pathlib import Path

from glioframe.artifacts.protocol import Protocol, load_protocol
from glioframe.core.errors import ArtifactError
from glioframe.core.presets import preset_path
from glioframe.pet.frames import FrameSchedule

_MIN_SLOPE_FRAMES = 2


def find_protocol(name: str) -> Protocol:
    """Loads a shipped protocol by its name, or a hospital's own by the path of its ``.json`` file.

    Raises:
        SettingError: No shipped protocol has that name.
        ArtifactError: The file is no protocol, or its windows do not fit its frames.
    """
    path = Path(name) if name.endswith(".json") else preset_path("protocols", name)
    protocol = load_protocol(path)
    check_windows(protocol, where=path)
    return protocol


def protocol_schedule(protocol: Protocol) -> FrameSchedule:
    """The frames of a protocol."""
    return FrameSchedule.from_pattern(protocol.frame_pattern, start_s=protocol.frame_start_s)


def check_windows(protocol: Protocol, *, where: str | Path) -> None:
    """Refuses a protocol whose time windows its own frames do not cover.

    Raises:
        ArtifactError: A window lies outside of the frames, or the late slope would be fitted to a single frame.
    """
    schedule = protocol_schedule(protocol)
    for name, (start_s, stop_s) in protocol.windows_s.items():
        if not schedule.covers(start_s, stop_s):
            raise ArtifactError(
                where,
                expected=f"{name} inside of the frames, {schedule.start_s[0]:g} to {schedule.end_s[-1]:g} s",
                found=f"[{start_s:g}, {stop_s:g}]",
                fix="Correct the window or frame_pattern",
            )
    if protocol.slope_window_s is not None:
        num_frames = int((schedule.frames_within(*protocol.slope_window_s) > 0).sum())
        if num_frames < _MIN_SLOPE_FRAMES:
            raise ArtifactError(
                where,
                expected=f"slope_window_s to touch {_MIN_SLOPE_FRAMES} or more frames",
                found=f"{num_frames}",
                fix="Widen the window, or set it to null",
            )
