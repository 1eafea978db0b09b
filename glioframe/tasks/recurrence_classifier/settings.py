"""What can be chosen about the recurrence classifier."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le

from glioframe.artifacts.json_file import STRICT


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Settings of one training; set with ``--set task.NAME=VALUE``.

    Attributes:
        class_weighting: What keeps a frequent class from winning by its number: ``sampling`` draws every class
            equally often, ``loss`` weighs the rare class's loss higher, ``none`` leaves the cohort's shares, for
            probabilities that follow them.
        label_smoothing: Share of the reference's certainty that is spread over all classes.
        center_jitter_mm: Largest shift of the patch along each axis in training, at augmentation strength 1.
        tta: Whether to predict the mirrored image too and to take the mean.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    class_weighting: Literal["sampling", "loss", "none"] = "sampling"
    label_smoothing: Annotated[float, Ge(0), Le(0.5)] = 0.05
    center_jitter_mm: Annotated[float, Ge(0)] = 4.0
    tta: bool = True
