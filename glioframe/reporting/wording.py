"""Numbers in words and in equal form everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.evaluation.wording import count

if TYPE_CHECKING:
    from glioframe.artifacts.evaluation import EvaluationGroup, Metric

METRIC_NAMES = {
    "auc": ("AUC", "chance that a positive case gets the higher probability; 0.5 is a coin"),
    "auprc": ("AUPRC", "average precision; ranking at random gets the share of positive cases, {prevalence:.2f}"),
    "balanced_accuracy": ("Balanced accuracy", "mean of sensitivity and specificity; 0.5 is a coin"),
    "sensitivity": ("Sensitivity", "share of the positive cases that are called positive"),
    "specificity": ("Specificity", "share of the negative cases that are called negative"),
    "precision": ("Precision", "share of the positive calls that are right"),
    "brier": ("Brier score", "mean squared error of the probability; 0 is perfect, always saying 0.5 gets 0.25"),
    "brier_scaled": ("Scaled Brier score", "1 is perfect, 0 as good as always saying {prevalence:.2f}"),
    "ece": ("Calibration error", "ECE, bins of equal mass; 0 is perfect, small samples push it up"),
    "calibration_intercept": ("Calibration intercept", "0 is perfect; below 0 the probabilities are too high"),
    "calibration_slope": ("Calibration slope", "1 is perfect; below 1 the probabilities are too extreme"),
}
UNIT_NAMES = {"suv_bw": "SUV", "tbr": "TBR", "bq_ml": "Bq/mL", "hu": "HU", "mm2_s": "mm2/s", "relative": ""}
LOWER_IS_BETTER = ("brier", "ece")
UNBOUNDED = ("brier_scaled", "calibration_intercept", "calibration_slope")
SPLIT_NAMES = {"train": "Cross-validation", "external": "External validation"}
WITHOUT_REFERENCE = "Predictions without a reference"
SPLIT_CASES = {"train": "cross-validated", "external": "external"}


def plain(name: str) -> str:
    """A name from a table as words: ``treatment_related_change`` reads treatment related change."""
    return name.replace("_", " ")


def number(value: float | None) -> str:
    """Two decimals; ``undefined`` for None."""
    return "undefined" if value is None else f"{value:.2f}"


def interval(metric: Metric) -> str:
    """``0.31 to 0.98``; empty for None."""
    return "" if metric.ci95 is None else f"{metric.ci95[0]:.2f} to {metric.ci95[1]:.2f}"


def headline(group: EvaluationGroup, *, positive: str) -> str:
    """One sentence: the AUC, its interval, and on how many cases."""
    auc = group.metrics.auc
    kind = SPLIT_CASES[group.split]
    cases = (
        f"{count(group.num_cases, f'{kind} case')} of {count(group.num_subjects, 'patient')} "
        f"({group.num_positive} with {positive})"
    )
    if auc.value is None:
        return f"No AUC: {cases}."
    between = f" (95 % interval {interval(auc)})" if auc.ci95 else ""
    return f"AUC {auc.value:.2f}{between} in {cases}."


def auc_in_words(group: EvaluationGroup, *, negative: str, positive: str) -> str:
    """What the AUC means for a pair of cases."""
    if group.metrics.auc.value is None:
        return ""
    times = round(100 * group.metrics.auc.value)
    return (
        f"Shown one case of {positive} and one of {negative}, the model gives the first the higher probability of "
        f"{positive} {times} times in 100; a coin does so 50 times."
    )


def calls_in_words(group: EvaluationGroup, *, negative: str, positive: str) -> str:
    """How many of each class are called right at the operating point."""
    sensitivity, specificity = group.metrics.sensitivity, group.metrics.specificity
    parts = []
    if sensitivity.value is not None:
        parts.append(f"{round(sensitivity.value * sensitivity.n)} of {count(sensitivity.n, 'case')} of {positive}")
    if specificity.value is not None:
        parts.append(f"{round(specificity.value * specificity.n)} of {specificity.n} of {negative}")
    return f"At the operating point it calls {' and '.join(parts)} right." if parts else ""


def operating_points_in_words(points: tuple[float, float]) -> str:
    """Where the threshold lies and where it came from."""
    low, high = points
    if high - low < 0.005:  # noqa: PLR2004 - equal once rounded
        return f"Operating point {low:.2f}."
    return f"Operating points {low:.2f} to {high:.2f}, each chosen inside its own training fold."
