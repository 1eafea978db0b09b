"""The striatum of a case: where the average brain puts it, on the grid of whichever PET asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glioframe.artifacts.protocol import PhysiologicalRegion
from glioframe.core.errors import ImageError
from glioframe.core.modality import Modality, Tracer
from glioframe.imaging.resample import resample_label_to
from glioframe.imaging.template_registration import TemplateAlignment, register_template
from glioframe.imaging.volume import Volume
from glioframe.pet.striatum import Striatum, place_striatum

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from glioframe.artifacts.dataset import Channel
    from glioframe.artifacts.protocol import Protocol
    from glioframe.core.geometry import Geometry
    from glioframe.imaging.case_images import CaseImages

_TRACERS = (Tracer.FDOPA,)  # those that the striatum takes up far more of than the rest of the brain
_BEST_FIRST = (Modality.T1N, Modality.T1C, Modality.T2W, Modality.T2F)
"""Images that resemble the template most; then any other of the brain."""


@dataclass(frozen=True, kw_only=True)
class CaseStriatum:
    """What is known of a case's striatum.

    Attributes:
        alignment: Of the template; None where it was not found, or no tracer asks for it.
        why_missing: Why it was not found; empty otherwise.
    """

    alignment: TemplateAlignment | None = None
    why_missing: str = ""

    def on(
        self,
        uptake: NDArray[Any],
        geometry: Geometry,
        *,
        protocol: Protocol,
        brain: NDArray[np.bool_],
        lesion: NDArray[np.bool_] | None,
    ) -> Striatum | None:
        """The striatum on the grid of a static image ``(z, y, x)``; None where unknown, or not to be excluded."""
        if self.alignment is None or PhysiologicalRegion.STRIATUM not in protocol.physiological_exclusions:
            return None
        fractions = self.alignment.striatum_on(geometry)
        return place_striatum(uptake, fractions, brain=brain, spacing_mm=geometry.spacing_mm, lesion=lesion)


def find_striatum(images: CaseImages, channels: Sequence[Channel]) -> CaseStriatum:
    """Registers the template to the case's most suitable image, if one of its tracers asks for the striatum."""
    present = [
        (channel, volume) for channel, volume in zip(channels, images.channels, strict=True) if volume is not None
    ]
    if not any(channel.tracer in _TRACERS for channel, _ in present):
        return CaseStriatum()
    _, image = min(present, key=lambda pair: _rank(pair[0]))
    lesion = None if images.label is None else Volume(images.label.array > 0, images.label.geometry)
    try:
        alignment = register_template(
            image, brain=images.brain, lesion=None if lesion is None else resample_label_to(lesion, image.geometry)
        )
    except ImageError as error:
        return CaseStriatum(why_missing=f"the striatum was not found: {error}")
    if not alignment.is_plausible:
        return CaseStriatum(why_missing="the striatum was not found: the average brain does not fit the images")
    return CaseStriatum(alignment=alignment)


def _rank(channel: Channel) -> int:
    return _BEST_FIRST.index(channel.modality) if channel.modality in _BEST_FIRST else len(_BEST_FIRST)
