"""What a simulated cohort is to be like. Standard library only: the command's help reads it."""

from __future__ import annotations

from dataclasses import dataclass

from glioframe.core.errors import SettingError
from glioframe.core.modality import Tracer

MIN_CASES = 4
MIN_SPACING_MM = 1.0
MAX_SPACING_MM = 8.0

KINDS = ("dynamic", "static")
QUESTIONS = ("recurrence", "molecular")
TRACERS = (Tracer.FDOPA.value, Tracer.FET.value)
"""Tracers whose kinetics are known; the static cohort has the first only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CohortSettings:
    """The size and the difficulty of a simulated cohort. The defaults are the demo.

    Attributes:
        num_cases: Training cases, one per subject, half of each class, from two sites.
        num_external: Cases of split external, from a third site.
        spacing_mm: Edge of the cubic voxels in mm.
        missing_rate: Fraction of the cases that lack their FLAIR.
        noise_labels: Whether the recorded class is drawn without looking at the images.
        seed: Of everything random. The same settings give the same bytes.
        kind: ``dynamic``: PET frames in Bq/mL, made from tissue kinetics. ``static``: one FDOPA image in SUV.
        question: Dynamic only: the target ``recurrence``, or ``idh``, ``codel_1p19q`` and ``tert`` (molecular).
        tracer: Dynamic only, one of :data:`TRACERS`.
        schedule: Dynamic only: frames from injection on for all sites, as ``8x15,2x30``, or a protocol's name; empty
            for the sites' own, which differ.
    """

    num_cases: int = 24
    num_external: int = 6
    spacing_mm: float = 4.0
    missing_rate: float = 0.1
    noise_labels: bool = False
    seed: int = 0
    kind: str = "dynamic"
    question: str = "recurrence"
    tracer: str = "fdopa"
    schedule: str = ""

    def __post_init__(self) -> None:
        """Refuses what cannot be simulated.

        Raises:
            SettingError: A number is out of range.
        """
        _require(self.num_cases >= MIN_CASES, "--num-cases", f"{MIN_CASES} or more", self.num_cases)
        _require(self.num_external >= 0, "--num-external", "0 or more", self.num_external)
        _require(
            MIN_SPACING_MM <= self.spacing_mm <= MAX_SPACING_MM,
            "--spacing-mm",
            f"{MIN_SPACING_MM:g} to {MAX_SPACING_MM:g} mm",
            self.spacing_mm,
        )
        _require(0 <= self.missing_rate <= 1, "--missing-rate", "a fraction from 0 to 1", self.missing_rate)
        _require(self.seed >= 0, "--seed", "0 or more", self.seed)
        for option, value, known in (
            ("--kind", self.kind, KINDS),
            ("--question", self.question, QUESTIONS),
            ("--tracer", self.tracer, TRACERS),
        ):
            _require(value in known, option, f"one of {', '.join(known)}", value)
        is_plain = (self.question, self.tracer, self.schedule) == (QUESTIONS[0], TRACERS[0], "")
        _require(
            self.kind == "dynamic" or is_plain,
            "--kind static",
            "the question recurrence, the tracer fdopa and no schedule",
            ", ".join(part for part in (self.question, self.tracer, self.schedule) if part),
        )


def _require(legal: bool, option: str, expected: str, found: float | str) -> None:  # noqa: FBT001 - a checked condition
    if not legal:
        raise SettingError(
            option,
            expected=expected,
            found=found if isinstance(found, str) else f"{found:g}",
            fix="Choose another value",
        )


PRESETS = {
    "demo": CohortSettings(),
    "cohort": CohortSettings(num_cases=96, num_external=24, spacing_mm=3.0),
}
"""Starting points by name."""
