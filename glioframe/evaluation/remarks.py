"""What a reader must know before believing a number, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.evaluation.wilson import NEWCOMBE_AUC
from glioframe.evaluation.wording import count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glioframe.artifacts.evaluation import Metric, Metrics
    from glioframe.evaluation.sample import Sample

CHANCE = 0.5
WIDE = 0.3
FEW_CASES = 10


def remarks_on(sample: Sample, metrics: Metrics) -> tuple[str, ...]:
    """Remarks on one group, the gravest first."""
    return tuple(
        remark
        for remark in (
            _on_classes(sample),
            _on_auc(metrics.auc, sample.num_patients),
            _on_perfection(metrics.auc),
            _on_few(sample),
            _on_repeats(sample),
            _on_missing_references(sample),
        )
        if remark
    )


def macro_remark(target: str, auc_of_class: Mapping[str, float | None]) -> str:
    """The mean one-against-the-rest AUC over classes: D. J. Hand and R. J. Till, Mach. Learn. 45 (2001) 171-186."""
    known = [value for value in auc_of_class.values() if value is not None]
    if len(known) < len(auc_of_class):
        without = ", ".join(name for name, value in auc_of_class.items() if value is None)
        return f"No macro average of the AUC for {target}: it is undefined for {without}."
    mean = sum(known) / len(known)
    return f"Macro average of the AUC over the {len(known)} classes of {target}, each against the rest: {mean:.2f}."


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


def _on_perfection(auc: Metric) -> str:
    if auc.interval != NEWCOMBE_AUC:
        return ""
    return "Every resample of the patients has the same AUC; its interval is therefore Newcombe's, not a bootstrap's."


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
    return f"{cases} of {patients}: intervals resample patients, not cases."


def _on_missing_references(sample: Sample) -> str:
    if not sample.num_without_reference or not sample.num_cases:
        return ""
    left_out = sample.num_without_reference
    verb = "is" if left_out == 1 else "are"
    return f"{count(left_out, 'case')} without a known reference {verb} left out."
