"""What of a pretrained classifier is trained, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from glioframe.core.errors import SettingError
from glioframe.networks.lora import adapt_attention
from glioframe.training.schedule import learning_rate

if TYPE_CHECKING:
    from glioframe.artifacts.plan import TrainingPlan
    from glioframe.networks.classifier import Classifier, Pooling
    from glioframe.tasks.recurrence_classifier.settings import Settings, Tuning

_NEED_PRETRAINED: frozenset[Tuning] = frozenset({"sawtooth", "linear", "attentive", "lora"})
_FREEZE_ENCODER: frozenset[Tuning] = frozenset({"linear", "attentive"})


def check_tuning(settings: Settings, *, pretrained: bool) -> None:
    """Refuses what contradicts itself.

    Raises:
        SettingError: A tuning that keeps pretrained weights has none to keep, or a linear head is to pool by attention.
    """
    if settings.tuning in _NEED_PRETRAINED and not pretrained:
        raise SettingError(
            f"task.tuning={settings.tuning}",
            expected="pretrained weights, which this tuning keeps at first or for good",
            found="none",
            fix="Pass --pretrained, or set task.tuning to full",
        )
    if settings.tuning == "linear" and settings.pooling == "gated_attention":
        raise SettingError(
            "task.tuning=linear",
            expected="task.pooling=mean, as a linear head learns no attention",
            found="gated_attention",
            fix="Set task.tuning to attentive",
        )


def pooling_of(settings: Settings) -> Pooling:
    """How the head pools."""
    return "gated_attention" if settings.tuning == "attentive" else settings.pooling


def freeze(classifier: Classifier, settings: Settings) -> None:
    """Makes the classifier one of its tuning, whose frozen parameters have no gradient.

    Raises:
        SettingError: LoRA is asked of an encoder without attention.
    """
    if settings.tuning in _FREEZE_ENCODER:
        classifier.encoder.requires_grad_(requires_grad=False)
    if settings.tuning == "lora":
        classifier.encoder.requires_grad_(requires_grad=False)
        if not adapt_attention(classifier.encoder, rank=settings.lora_rank, alpha=settings.lora_alpha):
            raise SettingError(
                "task.tuning=lora",
                expected="a vision transformer, whose attention LoRA changes",
                found="a network without attention",
                fix="Train 3d_vit, or choose another task.tuning",
            )


def begin_epoch(classifier: Classifier, settings: Settings, plan: TrainingPlan, epoch: int) -> None:
    """Keeps the encoder still while the head is trained alone: no gradient, and no branch skipped at random."""
    alone = settings.tuning in _FREEZE_ENCODER or epoch < head_epochs(settings, plan)
    if settings.tuning == "sawtooth":
        classifier.encoder.requires_grad_(requires_grad=not alone)
    if alone:
        classifier.encoder.eval()


def head_epochs(settings: Settings, plan: TrainingPlan) -> int:
    """Epochs at the start that train the head alone, with ``sawtooth``: at least one, and not all of several."""
    if settings.tuning != "sawtooth":
        return 0
    return min(max(1, round(settings.sawtooth_share * plan.epochs)), max(1, plan.epochs - 1))


def tuned_learning_rate(settings: Settings, plan: TrainingPlan, step: int) -> float:
    """As planned; with ``sawtooth``, two teeth.

    The first rises over the epochs of the head. The second, of the whole network, rises over as many and then falls as
    planned: of the schedules that the OpenMind benchmark compares (arXiv:2412.17041), its best for convolutions.
    """
    epochs = head_epochs(settings, plan)
    steps = epochs * plan.iterations_per_epoch
    if step < steps:
        return plan.learning_rate * (step + 1) / (steps + 1)
    if not epochs:
        return learning_rate(plan, step)
    second = replace(plan, epochs=plan.epochs - epochs, warmup_epochs=max(plan.warmup_epochs, epochs))
    return learning_rate(second, step - steps)
