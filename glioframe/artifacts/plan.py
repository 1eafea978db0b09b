"""``plans.json``: every choice that the planner made, each with its reason; a person may edit it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le

from glioframe.artifacts.dataset import Channel
from glioframe.artifacts.json_file import STRICT, to_json
from glioframe.artifacts.network_plan import Count, Fraction, NetworkPlan, NonNegative, Positive
from glioframe.artifacts.protocol import Protocol, Window
from glioframe.core.errors import PlanError
from glioframe.core.files import sha256_of_text
from glioframe.core.provenance import Provenance

Recipe = Literal["identity", "static_tbr", "static_suv", "time_to_peak_min", "k2_per_min", "vt", "late_slope_per_h"]
"""How a network channel is made from a raw one: as it is, or as one of the maps of a dynamic PET."""
KINETIC_RECIPES: tuple[Recipe, ...] = ("time_to_peak_min", "k2_per_min", "vt")
"""The recipes that fit a kinetic model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Normalization:
    """How a channel's values become network input.

    Attributes:
        scheme: ``robust_z_score``: minus the median, over the robust standard deviation (1.4826 MAD), both inside
            the case's brain, for scales without a unit. ``fixed_scale``: divided by ``scale``, the same for every
            case, so that a quantity stays a quantity: twice the uptake gives twice the value.
        scale: Divisor of ``fixed_scale``, in the channel's unit.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    scheme: Literal["robust_z_score", "fixed_scale"]
    scale: Positive = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelPlan:
    """One network input channel.

    Attributes:
        source: The raw channel that it is made from.
        recipe: How: ``identity`` takes the raw volume as it is; the others are maps of a dynamic PET.
        normalization: Applied after resampling.
        interpolation: Spline order of the resampling, 1 or 3.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    source: Channel
    recipe: Recipe = "identity"
    normalization: Normalization
    interpolation: Literal[1, 3] = 3

    @property
    def name(self) -> str:
        """The raw channel's name, with the recipe behind it where there is one: unique in a plan."""
        return self.source.name if self.recipe == "identity" else f"{self.source.name}_{self.recipe}"


@dataclass(frozen=True, kw_only=True, slots=True)
class DynamicPetPlan:
    """How the frames of a dynamic PET are read: the protocol, narrowed to what every site's scan covers.

    Attributes:
        protocol: The whole protocol, so that a model carries it to other hospitals.
        static_window_s: What the static image is the mean of.
        slope_window_s: What the late slope is fitted to; None where it is not planned.
        stop_s: Frames after it are left out, so that maps of a long scan and of a short one compare.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    protocol: Protocol
    static_window_s: Window
    slope_window_s: Window | None
    stop_s: Positive


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldOfView:
    """What part of the brain a case-level network sees.

    Attributes:
        kind: ``lesion_centered``: a box around the lesion's center of mass; ``whole_brain``: the brain's box.
        extent_mm: Edges (z, y, x).
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    kind: Literal["lesion_centered", "whole_brain"]
    extent_mm: tuple[Positive, Positive, Positive]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingPlan:
    """How the engine descends.

    Attributes:
        epochs: Passes of ``iterations_per_epoch`` steps.
        iterations_per_epoch: Optimizer steps of one epoch.
        optimizer: ``adamw`` or ``sgd`` (Nesterov momentum 0.99).
        learning_rate: Peak.
        weight_decay: Decoupled for adamw.
        schedule: After the linear warm-up: ``cosine`` to 0, or ``poly`` with power 0.9.
        warmup_epochs: Epochs of linear warm-up.
        gradient_clip_norm: Largest gradient norm.
        ema_decay: Of the averaged weights that predict; 0 switches averaging off.
        amp: Mixed precision (bfloat16 on CPU and GPU) where the device has it.
        inner_fraction: Share of the training subjects held out inside the fold, to watch the loss and to set the
            operating point without touching the fold's validation cases.
        select: Which weights predict: ``final`` averaged ones, or the ``best`` by inner loss.
        checkpointing: Whether the backward pass computes activations again instead of keeping them: about a third more
            time for much less memory.
        compile: Whether training steps run through compiled kernels. Changes nothing but rounding.
        channel_dropout: Probability of hiding a present channel in training, so that a missing one is no surprise.
        augmentation: 0 switches augmentation off, 1 is the standard strength.
        seed: Of weights, sampling and augmentation.
        num_members: Networks of each fold, which differ in their random numbers alone; their mean predicts.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    epochs: Count
    iterations_per_epoch: Count
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: Positive = 1e-3
    weight_decay: NonNegative = 1e-2
    schedule: Literal["cosine", "poly"] = "cosine"
    warmup_epochs: Annotated[int, Ge(0)] = 0
    gradient_clip_norm: Positive = 1.0
    ema_decay: Annotated[float, Ge(0), Le(0.9999)] = 0.99
    amp: bool = True
    inner_fraction: Annotated[float, Ge(0), Le(0.5)] = 0.2
    select: Literal["final", "best"] = "final"
    checkpointing: bool = False
    compile: bool = False
    channel_dropout: Fraction = 0.1
    augmentation: Annotated[float, Ge(0), Le(2)] = 1.0
    seed: Annotated[int, Ge(0)] = 0
    num_members: Count = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration:
    """One way to train on the dataset.

    Attributes:
        name: ``3d_cnn``, ...
        data_identifier: Folder of the preprocessed cases; configurations with equal preprocessing share it.
        spacing_mm: Target spacing (z, y, x).
        patch_size_vox: Network input (z, y, x).
        batch_size: Patches per step.
        network: What is trained.
        training: How.
        predicted_peak_memory_gb: Peak of one training step, traced; 0 where it was not traced.
        predicted_inference_memory_gb: Peak of predicting one case by one fold's network; 0 where it was not traced.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: str
    data_identifier: str
    spacing_mm: tuple[Positive, Positive, Positive]
    patch_size_vox: tuple[Count, Count, Count]
    batch_size: Count
    network: NetworkPlan
    training: TrainingPlan
    predicted_peak_memory_gb: NonNegative = 0.0
    predicted_inference_memory_gb: NonNegative = 0.0

    def check(self) -> None:
        """Refuses an illegal combination, which a hand-edited file or an override can hold.

        Raises:
            PlanError: The network cannot be built for the patch.
        """
        self.network.check(self.patch_size_vox, where=f"configuration {self.name}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Everything that preprocessing, training and prediction need to know.

    Attributes:
        schema_version: Of this file.
        dataset_name: The raw dataset planned for.
        plans_name: Part of the result folders' names.
        channels: The network's input channels, in order.
        field_of_view: What a case-level network sees.
        dynamic_pet: How dynamic PET is read; None for a dataset without.
        rigid_alignment: Whether frames are corrected for motion, and PET is registered to the first channel, rigidly.
        num_folds: Of the cross-validation.
        gpu_memory_gb: The budget planned for.
        configurations: By name.
        reasons: Why each value was chosen, in words, by the name of the value; behind the name of its configuration
            where it is of one, as in ``3d_cnn.network.dropout``.
        provenance: Where the file comes from.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    schema_version: Literal[1] = 1
    dataset_name: str
    plans_name: str = "glioframePlans"
    channels: tuple[ChannelPlan, ...]
    field_of_view: FieldOfView
    dynamic_pet: DynamicPetPlan | None = None
    rigid_alignment: bool = False
    num_folds: Count = 5
    gpu_memory_gb: Positive
    configurations: dict[str, Configuration]
    reasons: dict[str, str] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)

    def configuration(self, name: str) -> Configuration:
        """The configuration called ``name``, checked.

        Raises:
            PlanError: There is none of that name, or it is illegal.
        """
        if name not in self.configurations:
            raise PlanError(
                f"plans.json of {self.dataset_name}",
                expected=f"a configuration named {name!r}",
                found=", ".join(self.configurations) or "none",
                fix="Choose a listed one, or plan it with glioframe_plan_and_preprocess -c",
            )
        configuration = self.configurations[name]
        configuration.check()
        return configuration


def plan_hash(plan: Plan) -> str:
    """SHA-256 of what the plan says to do; where it comes from and why is left out."""
    return sha256_of_text(to_json(replace(plan, provenance=Provenance(), reasons={})))


def preprocessing_hash(plan: Plan, configuration: Configuration) -> str:
    """SHA-256 of those parts of a plan that decide what a preprocessed case looks like."""
    content = json.loads(to_json(plan))
    relevant = {
        "channels": content["channels"],
        "spacing_mm": list(configuration.spacing_mm),
    }
    # Only where they matter: what was preprocessed without them stays valid.
    if any(channel.recipe != "identity" for channel in plan.channels):
        relevant["dynamic_pet"] = content["dynamic_pet"]
    if plan.rigid_alignment:
        relevant["rigid_alignment"] = True
    return sha256_of_text(json.dumps(relevant, sort_keys=True))
