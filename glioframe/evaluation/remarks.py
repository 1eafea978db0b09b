"""What a reader must know before believing a number, in plain words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from glioframe.evaluation.delong import auc_variance
from glioframe.evaluation.metrics import SEPARATED
from glioframe.evaluation.resolution import detectable_difference
from glioframe.evaluation.wording import count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glioframe.artifacts.evaluation import MacroAuc, Metric, Metrics
    from glioframe.evaluation.sample import Sample

CHANCE = 0.5
WIDE = 0.3
FEW_CASES = 10
COARSE = 0.1
TYPICAL_CORRELATION = 0.5
"""Of the AUCs of two models on the same cases."""


def remarks_on(sample: Sample, metrics: Metrics) -> tuple[str, ...]:
    """Remarks on one group, the gravest first."""
    return tuple(
        remark
        for remark in (
            _on_classes(sample),
            _on_auc(metrics.auc, sample.num_patients),
            _on_separation(metrics),
            _on_resolution(sample),
            _on_few(sample),
            _on_repeats(sample),
            _on_missing_references(sample),
        )
        if remark
    )


def macro_remark(macro: MacroAuc, auc_of_class: Mapping[str, float | None]) -> str:
    """The mean AUC over classes, or why there is none."""
    if macro.auc.value is None:
        without = ", ".join(name for name, value in auc_of_class.items() if value is None)
        return f"No macro average of the AUC for {macro.target}: it is undefined for {without}."
    between = ""
    if macro.auc.ci95 is not None:
        between = f" (95 % interval {macro.auc.ci95[0]:.2f} to {macro.auc.ci95[1]:.2f})"
    return (
        f"Macro average of the AUC over the {len(macro.classes)} classes of {macro.target}, each against the rest: "
        f"{macro.auc.value:.2f}{between}."
    )


def _on_classes(sample: Sample) -> str:
    if sample.num_cases == 0:
        return "No case has a known reference: nothing can be computed."
    if sample.num_positive and sample.num_negative:
        return ""
    kind = "positive" if sample.num_positive else "negative"
    cases = "The only case is" if sample.num_cases == 1 else f"All {sample.num_cases} cases are"
    return f"{cases} {kind}: metrics that compare the two classes are undefined."


def _on_auc(auc: Metric, num_patients: int) -> str:
    if auc.ci95 is None:
        return ""
    low, high = auc.ci95
    interval = f"The 95 % interval of the AUC, {low:.2f} to {high:.2f},"
    patients = count(num_patients, "patient")
    if high < CHANCE:
        return f"{interval} lies below 0.5: the ranking is worse than chance; check which class is the positive one."
    if low > CHANCE:
        if high - low <= WIDE:
            return ""
        return f"{interval} is wide: {patients} say that the model beats chance, but not by how much."
    if high - low > WIDE:
        return f"{interval} is wide: {patients} cannot tell a useful model from chance."
    return f"{interval} contains 0.5: the model is not shown to beat chance."


def _on_separation(metrics: Metrics) -> str:
    if metrics.calibration_slope.interval != SEPARATED:
        return ""
    remark = "A threshold parts the two classes without error, ties aside: no calibration slope is finite"
    if metrics.auc.value in (0.0, 1.0):
        remark += ", and the AUC has no spread to estimate, so that its interval is Newcombe's"
    return f"{remark}."


def _on_resolution(sample: Sample) -> str:
    """Standard error of a difference of two AUCs of equal variance: sqrt(2 V (1 - r)), r their correlation."""
    variance = auc_variance(sample.reference, sample.probability, sample.patients)
    if not variance:
        return ""
    least = detectable_difference(math.sqrt(2 * variance * (1 - TYPICAL_CORRELATION)))
    if least < COARSE:
        return ""
    return (
        f"{count(sample.num_patients, 'patient')} can tell this AUC from that of another model if the two truly differ "
        f"by about {least:.2f}, not by less (80 % power, 5 % level, AUCs that correlate by {TYPICAL_CORRELATION:g})."
    )


def _on_few(sample: Sample) -> str:
    positive, negative = sample.num_positive, sample.num_negative
    fewest = min(positive, negative)
    if not 0 < fewest < FEW_CASES:
        return ""
    kind, metric = ("positive", "sensitivity") if positive <= negative else ("negative", "specificity")
    return f"With {count(fewest, f'{kind} case')}, a single one moves the {metric} by {1 / fewest:.2f}."


def _on_repeats(sample: Sample) -> str:
    if sample.num_cases == sample.num_patients:
        return ""
    cases, patients = count(sample.num_cases, "case"), count(sample.num_patients, "patient")
    return f"{cases} of {patients}: intervals count patients, not cases."


def _on_missing_references(sample: Sample) -> str:
    if not sample.num_without_reference or not sample.num_cases:
        return ""
    left_out = sample.num_without_reference
    verb = "is" if left_out == 1 else "are"
    return f"{count(left_out, 'case')} without a known reference {verb} left out."
