"""What the motion correction of a dynamic PET did, for the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.artifacts.pet_record import MotionRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from glioframe.imaging.registration import FrameMotion

_LARGE_MM = 5.0  # a head that goes so far between frames also moves within them, and out of its attenuation map
_MOST_NAMED = 5


def describe_motion(motion: Sequence[FrameMotion]) -> MotionRecord:
    """Shift, turn and similarity of every frame, and which of them a reader should look at."""
    moves = [each.applied for each in motion]
    found = [each.alignment for each in motion]
    large = [index for index, move in enumerate(moves) if move is not None and move.motion_mm > _LARGE_MM]
    failed = [index for index, each in enumerate(motion) if each.has_failed]
    flags = []
    if large:
        flags.append(f"frames {_named(large)} were moved by more than {_LARGE_MM:g} mm")
    if failed:
        flags.append(f"frames {_named(failed)} could not be registered and stayed where they were")
    return MotionRecord(
        shift_mm=tuple(0.0 if move is None else move.shift_mm for move in moves),
        rotation_deg=tuple(0.0 if move is None else move.rotation_deg for move in moves),
        nmi_before=tuple(None if each is None else each.nmi_before for each in found),
        nmi_after=tuple(
            None if each is None else each.nmi_before if move is None else each.nmi_after
            for each, move in zip(found, moves, strict=True)
        ),
        flags=tuple(flags),
    )


def _named(indices: Iterable[int]) -> str:
    """The first few, counting from 1, and how many more there are."""
    numbers = [str(index + 1) for index in indices]
    hidden = len(numbers) - _MOST_NAMED
    return ", ".join(numbers[:_MOST_NAMED]) + (f" and {hidden} more" if hidden > 0 else "")
