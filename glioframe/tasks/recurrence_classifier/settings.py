"""What can be chosen about the recurrence classifier."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from annotated_types import Ge, Gt, Le, Lt

from glioframe.artifacts.json_file import STRICT

Tuning: TypeAlias = Literal["full", "sawtooth", "linear", "attentive", "lora"]


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
        pooling: From the feature map to one vector: ``mean``, as the encoder pools, or ``gated_attention``, which
            learns where to look.
        temperature: Whether to learn on the inner cases how certain the probabilities may be.
        tuning: What is trained of a pretrained network: ``full``, everything; ``sawtooth``, the head first, then
            everything with a second warm-up; ``linear`` and ``attentive``, the head alone, which pools by the mean or
            by gated attention; ``lora``, the head and a change of low rank in each attention of a vision transformer.
        sawtooth_share: Share of the epochs that the head is trained alone, with ``sawtooth``.
        lora_rank: Of the changes, with ``lora``.
        lora_alpha: The changes are scaled by alpha / rank.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    class_weighting: Literal["sampling", "loss", "none"] = "sampling"
    label_smoothing: Annotated[float, Ge(0), Le(0.5)] = 0.05
    center_jitter_mm: Annotated[float, Ge(0)] = 4.0
    tta: bool = True
    pooling: Literal["mean", "gated_attention"] = "mean"
    temperature: bool = True
    tuning: Tuning = "full"
    sawtooth_share: Annotated[float, Gt(0), Lt(1)] = 0.1
    lora_rank: Annotated[int, Ge(1)] = 8
    lora_alpha: Annotated[float, Gt(0)] = 16.0
