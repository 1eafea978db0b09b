"""What can be chosen about the threshold baseline."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from glioframe.artifacts.json_file import STRICT

Quantity = Literal[
    "uptake_max",
    "tbr_max",
    "tbr_mean",
    "tbr_peak",
    "suv_max",
    "suv_mean",
    "suv_peak",
    "metabolic_volume_ml",
    "tumor_to_striatum",
    "time_to_peak_min",
    "time_to_peak_min_mean",
    "late_slope_per_h",
    "late_slope_per_h_mean",
    "k2_per_min",
    "k2_per_min_mean",
    "vt",
    "vt_mean",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Settings of one training; set with ``--set task.NAME=VALUE``.

    Attributes:
        quantity: What is measured of each lesion. ``uptake_max`` is ``tbr_max`` where a channel holds TBR, otherwise
            ``suv_max``. Maps are averaged over the 1 mL of the lesion with the highest uptake, with ``_mean`` behind
            the name over the whole lesion.
        channel: The raw PET channel to measure; empty for the first that holds the quantity.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    quantity: Quantity = "uptake_max"
    channel: str = ""
