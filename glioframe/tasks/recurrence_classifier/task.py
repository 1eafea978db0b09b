"""Progression or treatment-related change? A class for a whole case, from one patch."""

# ruff: noqa: N806 - names end in their shape: B batch, C channels, K classes, V views, Z Y X space

from __future__ import annotations

from typing import TYPE_CHECKING, cast, final

import torch

from glioframe.artifacts.training_log import load_training_log
from glioframe.inference.ensemble import mean_probabilities, mirrored_views
from glioframe.inference.patch import load_case_patch
from glioframe.losses.classification import inverse_frequency_weights, weighted_cross_entropy
from glioframe.networks.classifier import Classifier, build_classifier
from glioframe.reporting.progress_figure import learning_curves_png
from glioframe.task_api.task import CasePrediction, ReportSection, Requirements
from glioframe.tasks.recurrence_classifier.settings import Settings
from glioframe.training.engine import LOG
from glioframe.training.gradient_task import GradientTask, Sampling, StepResult, ValidationResult
from glioframe.training.quantities import quantitative_channels
from glioframe.training.trained_network import trained_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from glioframe.artifacts.case import PreprocessedCase
    from glioframe.task_api.run import Run
    from glioframe.training.batch import Batch


@final
class RecurrenceClassifier(GradientTask[Settings]):
    """Classifies a case by the network of the plan, for a target of two or more classes."""

    settings_type = Settings
    description = "class of a case (progression or treatment-related change, or any other target) from its images"

    def requirements(self) -> Requirements:
        """A target. Lesion labels are needed only where the plan centers its field of view on them."""
        return Requirements(target=True)

    def build_network(self, run: Run[Settings]) -> Classifier:
        """The classifier of the plan."""
        return build_classifier(
            run.configuration.network,
            num_channels=len(run.plan.channels),
            patch_size_vox=run.configuration.patch_size_vox,
            num_classes=len(run.required_target.classes),
            quantitative=quantitative_channels(run.plan),
            checkpointing=run.configuration.training.checkpointing,
        )

    def sampling(self, run: Run[Settings]) -> Sampling:
        """Patches are jittered; classes are balanced if the settings say so."""
        balanced = run.settings.class_weighting == "sampling"
        return Sampling(balanced=balanced, center_jitter_mm=run.settings.center_jitter_mm)

    def training_step(self, run: Run[Settings], network: nn.Module, batch: Batch) -> StepResult:
        """Weighted cross entropy with smoothed labels."""
        logits_BK, target_B = _logits(network, batch), _target(batch)
        loss_B = weighted_cross_entropy(
            logits_BK,
            target_B,
            class_weights=_class_weights(run),
            label_smoothing=run.settings.label_smoothing,
        )
        correct_B = logits_BK.detach().argmax(1) == target_B
        return StepResult(loss=loss_B.mean(), metrics={"accuracy": float(correct_B.float().mean())})

    def validation_step(self, run: Run[Settings], network: nn.Module, batch: Batch) -> ValidationResult:
        """The loss without smoothing, weighted as in training, and the probabilities."""
        logits_BK = _logits(network, batch)
        loss_B = weighted_cross_entropy(logits_BK, _target(batch), class_weights=_class_weights(run))
        return ValidationResult(loss_B=loss_B, probabilities_BK=logits_BK.float().softmax(1))

    @torch.inference_mode()
    def predict(self, run: Run[Settings], case: PreprocessedCase) -> CasePrediction:
        """The mean over the image and, if the settings say so, its mirror image; always in float32."""
        network = cast("Classifier", trained_network(self, run))
        patch = load_case_patch(case, run.plan.field_of_view, run.configuration.patch_size_vox)
        views_VCZYX = mirrored_views(torch.from_numpy(patch), mirror=run.settings.tta).to(run.device)
        presence_VC = torch.tensor([case.properties.channels_present], device=run.device).repeat(len(views_VCZYX), 1)
        logits_VK: Tensor = network(views_VCZYX, presence_VC)
        # On the CPU, because Apple's GPUs have no float64.
        members = [tuple(member) for member in logits_VK.cpu().double().softmax(1).tolist()]
        return CasePrediction(probabilities=mean_probabilities(members), member_probabilities=tuple(members))

    def report(self, runs: Sequence[Run[Settings]]) -> Sequence[ReportSection]:
        """The learning curves of the folds."""
        logs = {f"fold {run.fold}": load_training_log(run.folder / LOG) for run in runs}
        caption = "Loss by epoch, on augmented cases, smoothed over epochs."
        text = (
            "The plan holds out no inner cases, so that all training cases are fitted, and the operating point is 0.5."
        )
        if runs[0].configuration.training.inner_fraction > 0:
            text = (
                "Inner cases are held out inside each training fold. They choose the operating point, and no gradient "
                "descends on them. The cases that the figures of this report are computed on are others."
            )
        figure = (learning_curves_png(logs), caption)
        return [ReportSection(title="Learning curves", text=text, figures_png=(figure,))]


def _logits(network: nn.Module, batch: Batch) -> Tensor:
    logits_BK: Tensor = network(batch.image_BCZYX, batch.presence_BC)
    return logits_BK


def _target(batch: Batch) -> Tensor:
    if batch.target_B is None:
        raise TypeError("a batch without targets: the task's requirements name one")
    return batch.target_B


def _class_weights(run: Run[Settings]) -> tuple[float, ...] | None:
    if run.settings.class_weighting != "loss":
        return None
    classes = list(run.class_indices().values())
    return inverse_frequency_weights([classes.count(index) for index in range(len(run.required_target.classes))])
