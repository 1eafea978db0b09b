"""What was measured in a case's PET, and what to look at in it, in words for its card."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glioframe.artifacts.pet_record import MotionRecord, PetRecord, UptakeRecord


def pet_remarks(record: PetRecord) -> tuple[str, ...]:
    """One sentence each: uptake by PET, motion, flags, what could not be measured."""
    dynamic = record.dynamic
    uptake_flags = {flag for uptake in record.uptake for flag in uptake.flags}
    reference = [f"Reference region: {flag}" for flag in (dynamic.flags if dynamic else ()) if flag not in uptake_flags]
    return (
        *(_uptake(uptake) for uptake in record.uptake),
        *(f"{uptake.channel}: {flag}" for uptake in record.uptake for flag in uptake.flags),
        *reference,
        *(_motion(dynamic.motion) if dynamic and dynamic.motion else ()),
        *(f"Not measured: {what}" for what in record.unmeasured),
    )


def _uptake(uptake: UptakeRecord) -> str:
    measurable = "measurable" if uptake.is_measurable else "not measurable"
    striatum = "" if uptake.tumor_to_striatum is None else f", tumor to striatum {uptake.tumor_to_striatum:.2f}"
    return (
        f"{uptake.channel}: TBR max {uptake.tbr_max_voxel:.2f}, peak {uptake.tbr_peak_1_ml:.2f}, "
        f"mean {uptake.tbr_mean:.2f}{striatum}; {uptake.metabolic_volume_ml:.1f} mL from TBR {uptake.threshold_tbr:g} "
        f"on, {measurable}"
    )


def _motion(motion: MotionRecord) -> tuple[str, ...]:
    largest = (
        f"Frames moved by up to {max(motion.shift_mm):.1f} mm and {max(motion.rotation_deg):.1f} degrees",
        *(f"Motion: {flag}" for flag in motion.flags),
    )
    return largest if any(motion.shift_mm) or motion.flags else ()
