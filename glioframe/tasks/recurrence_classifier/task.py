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
from glioframe.networks.pretrained import load_pretrained_encoder
from glioframe.reporting.progress_figure import learning_curves_png
from glioframe.task_api.task import CasePrediction, ReportSection, Requirements
from glioframe.tasks.recurrence_classifier.settings import Settings
from glioframe.tasks.recurrence_classifier.tuning import (
    begin_epoch,
    check_tuning,
    freeze,
    pooling_of,
    tuned_learning_rate,
)
from glioframe.training.engine import LOG
from glioframe.training.gradient_task import GradientTask, Sampling, StepResult, ValidationResult
from glioframe.training.members import member_runs
from glioframe.training.operating_point import load_operating_point
from glioframe.training.pretrained_record import in_words
from glioframe.training.quantities import quantitative_channels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from glioframe.artifacts.case import PreprocessedCase
    from glioframe.networks.foreign_weights import LoadedWeights
    from glioframe.task_api.run import Run
    from glioframe.training.batch import Batch


@final
class RecurrenceClassifier(GradientTask[Settings]):
    """Classifies a case by the network of the plan, for a target of two or more classes."""

    settings_type = Settings
    accepts_pretrained = True
    description = "class of a case (progression or treatment-related change, or any other target) from its images"

    def requirements(self) -> Requirements:
        """A target. Lesion labels are needed only where the plan centers its field of view on them."""
        return Requirements(target=True)

    def build_network(self, run: Run[Settings]) -> Classifier:
        """The classifier of the plan, with what its tuning adds and freezes.

        Raises:
            SettingError: The tuning does not suit the network.
        """
        classifier = build_classifier(
            run.configuration.network,
            num_channels=len(run.plan.channels),
            patch_size_vox=run.configuration.patch_size_vox,
            num_classes=len(run.required_target.classes),
            quantitative=quantitative_channels(run.plan),
            pooling=pooling_of(run.settings),
            checkpointing=run.configuration.training.checkpointing,
        )
        freeze(classifier, run.settings)
        return classifier

    def start(self, run: Run[Settings], network: nn.Module) -> LoadedWeights | None:
        """Fills the encoder; what of it the weights do not know is trained, whatever the tuning freezes.

        Raises:
            SettingError: The tuning needs pretrained weights, or contradicts the pooling.
            ArtifactError: The weights are of another encoder.
        """
        check_tuning(run.settings, pretrained=run.pretrained is not None)
        if run.pretrained is None:
            return None
        encoder = cast("Classifier", network).encoder
        loaded = load_pretrained_encoder(encoder, run.pretrained.path, patch_size_vox=run.pretrained.patch_size_vox)
        for name, parameter in encoder.named_parameters():
            if name in loaded.initialized:
                parameter.requires_grad = True
        run.progress.note(f"fold {run.fold}: {run.pretrained.path}: {in_words(loaded)}.")
        return loaded

    def begin_epoch(self, run: Run[Settings], network: nn.Module, epoch: int) -> None:
        """Keeps what is frozen still."""
        begin_epoch(cast("Classifier", network), run.settings, run.configuration.training, epoch)

    def learning_rate(self, run: Run[Settings], step: int) -> float:
        """As planned, or with two teeth."""
        return tuned_learning_rate(run.settings, run.configuration.training, step)

    def calibrates(self, run: Run[Settings]) -> bool:
        """If the settings say so."""
        return run.settings.temperature

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

    def prediction_step(self, run: Run[Settings], network: nn.Module, case: PreprocessedCase) -> CasePrediction:
        """The mean over the image and, if the settings say so, its mirror image."""
        patch = load_case_patch(case, run.plan.field_of_view, run.configuration.patch_size_vox)
        views_VCZYX = mirrored_views(torch.from_numpy(patch), mirror=run.settings.tta).to(run.device)
        presence_VC = torch.tensor([case.properties.channels_present], device=run.device).repeat(len(views_VCZYX), 1)
        logits_VK: Tensor = network(views_VCZYX, presence_VC)
        # On the CPU, because Apple's GPUs have no float64.
        views = tuple(tuple(view) for view in logits_VK.cpu().double().softmax(1).tolist())
        return CasePrediction(probabilities=mean_probabilities(views), member_probabilities=views)

    def report(self, runs: Sequence[Run[Settings]]) -> Sequence[ReportSection]:
        """The learning curves of the folds, and their temperatures."""
        logs = {f"fold {run.fold}": [load_training_log(each.folder / LOG) for each in member_runs(run)] for run in runs}
        caption = "Loss by epoch, on augmented cases, smoothed over epochs."
        if (num_members := runs[0].configuration.training.num_members) > 1:
            caption += f" Each fold trains {num_members} networks, which share its color."
        text = (
            "The plan holds out no inner cases, so that all training cases are fitted, and the operating point is 0.5."
        )
        if runs[0].configuration.training.inner_fraction > 0:
            text = (
                "Inner cases are held out inside each training fold. They choose the operating point, and no gradient "
                "descends on them. The cases that the figures of this report are computed on are others."
            )
        figure = (learning_curves_png(logs), caption)
        return [
            ReportSection(title="Learning curves", text=text, figures_png=(figure,)),
            ReportSection(title="Temperature", text=_temperatures_in_words(runs)),
        ]


def _temperatures_in_words(runs: Sequence[Run[Settings]]) -> str:
    points = {run.fold: load_operating_point(run.folder) for run in runs}
    learned = {fold: point for fold, point in points.items() if point.num_calibration}
    if not learned:
        return "The probabilities are the network's own: no temperature was learned, as " + (
            "no inner cases were held out." if runs[0].settings.temperature else "the settings say."
        )
    each = ", ".join(
        f"{point.temperature:.2f} in fold {fold} ({point.num_calibration} inner cases)"
        for fold, point in learned.items()
    )
    return (
        "The probabilities of each fold are divided, as logits, by a temperature learned on its inner cases: "
        f"{each}. Above 1 the fold was too certain. The order of a fold's cases stays as it is."
    )


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
