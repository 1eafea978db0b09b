"""Batch, length and settings of the training, scaled to the number of cases."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from glioframe.artifacts.plan import TrainingPlan
from glioframe.planning.cohort import choose_inner_fraction, training_fold_size
from glioframe.planning.reasons import Chosen

if TYPE_CHECKING:
    from glioframe.artifacts.fingerprint import Fingerprint
    from glioframe.planning.budget import Budget
    from glioframe.planning.network_family import NetworkFamily

MIN_BATCH_SIZE = 2
_LARGEST_SHARE_OF_FOLD = 4
"""A batch is at most this part of the fold: larger ones leave too few different steps in an epoch."""
_ITERATIONS_PER_EPOCH = (8, 250)
_FEWEST_EPOCHS = 10
_AVERAGED_SHARE = 0.05
_EMA_DECAYS = (0.9, 0.999)
_CHANNEL_DROPOUTS = (0.1, 0.3)


def choose_batch_size(num_training: int, budget: Budget) -> Chosen[int]:
    """Up to the budget's maximum, but at most a quarter of the training fold."""
    quarter = num_training // _LARGEST_SHARE_OF_FOLD
    size = max(MIN_BATCH_SIZE, min(budget.max_batch_size, quarter))
    if size == budget.max_batch_size:
        why = "since networks that normalize each case by itself gain little from more"
    else:
        why = "so that an epoch has several different steps"
    return Chosen(
        size,
        f"A training fold has about {num_training} subjects; {size} patches per step are at most a quarter of them "
        f"(never under {MIN_BATCH_SIZE}) and at most the {budget.max_batch_size} of budget {budget.name}, {why}.",
    )


def choose_training(
    fingerprint: Fingerprint, budget: Budget, family: NetworkFamily, *, num_folds: int, batch_size: int
) -> tuple[TrainingPlan, dict[str, str]]:
    """The training plan, and the reasons of those of its values that depend on the dataset or the budget."""
    num_training = training_fold_size(fingerprint.num_subjects, num_folds)
    epochs, per_epoch, length = _length(num_training, batch_size, budget)
    iterations = epochs * per_epoch
    inner_fraction = choose_inner_fraction(fingerprint, num_folds)
    channel_dropout = _choose_channel_dropout(fingerprint)
    ema_decay = round(min(max(1 - 1 / (_AVERAGED_SHARE * iterations), _EMA_DECAYS[0]), _EMA_DECAYS[1]), 4)
    plan = TrainingPlan(
        epochs=epochs,
        iterations_per_epoch=per_epoch,
        learning_rate=budget.learning_rate,
        weight_decay=family.weight_decay,
        warmup_epochs=math.ceil(family.warmup_share * epochs),
        ema_decay=ema_decay,
        inner_fraction=inner_fraction.value,
        channel_dropout=channel_dropout.value,
    )
    reasons = {
        "training": _constants(plan),
        "training.epochs": length,
        "training.learning_rate": f"{budget.learning_rate:g} suits AdamW with the networks of budget "
        f"{budget.name}; gradients are clipped at norm {plan.gradient_clip_norm:g}, and the first "
        f"{plan.warmup_epochs} epochs warm up ({family.warmup_share:.0%}, as suits this family of networks).",
        "training.weight_decay": f"{plan.weight_decay:g}, as suits this family of networks.",
        "training.ema_decay": f"Averages about the last {1 / (1 - ema_decay):.0f} of {iterations} steps: the averaged "
        "weights predict, which is steadier than choosing one checkpoint by few cases.",
        "training.inner_fraction": inner_fraction.reason,
        "training.channel_dropout": channel_dropout.reason,
    }
    return plan, reasons


def _constants(plan: TrainingPlan) -> str:
    return (
        f"The same for every dataset: optimizer {plan.optimizer}, schedule {plan.schedule}, "
        f"gradient_clip_norm {plan.gradient_clip_norm:g}, amp, no compile, select {plan.select}, augmentation "
        f"{plan.augmentation:g}, seed {plan.seed}, num_members {plan.num_members}; iterations_per_epoch and "
        "warmup_epochs go with the epochs."
    )


def _length(num_training: int, batch_size: int, budget: Budget) -> tuple[int, int, str]:
    wanted = budget.exposures_per_case * num_training / batch_size
    iterations = min(max(wanted, budget.min_iterations), budget.max_iterations)
    shortest, longest = _ITERATIONS_PER_EPOCH
    longest = max(shortest, min(longest, int(iterations) // _FEWEST_EPOCHS))
    per_epoch = min(max(math.ceil(num_training / batch_size), shortest), longest)
    epochs = max(1, int(iterations) // per_epoch)
    reason = (
        f"{budget.exposures_per_case} augmented views of each of about {num_training} training subjects, {batch_size} "
        f"per step, would be {wanted:.0f} steps; budget {budget.name} allows {budget.min_iterations} to "
        f"{budget.max_iterations}. So {epochs} epochs of {per_epoch} steps: small cohorts train shorter, because more "
        "views of few cases are learned by heart."
    )
    return epochs, per_epoch, reason


def _choose_channel_dropout(fingerprint: Fingerprint) -> Chosen[float]:
    if len(fingerprint.channels) == 1:
        return Chosen(0.0, "There is one channel only, which cannot be hidden.")
    absent = {each.channel.name: 1 - each.num_present / max(1, len(fingerprint.cases)) for each in fingerprint.channels}
    name, share = max(absent.items(), key=lambda item: item[1])
    lowest, highest = _CHANNEL_DROPOUTS
    value = round(min(max(share, lowest), highest), 2)
    found = f"{name} is missing in {share:.0%} of the training cases" if share else "No channel is missing in training"
    return Chosen(
        value,
        f"{found}; each present channel is hidden in {value:.0%} of the views, so that a missing one is no surprise "
        "in a new case.",
    )
