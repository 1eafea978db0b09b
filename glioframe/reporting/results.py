"""The results part of the page: for each question and split, words, tables and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glioframe.evaluation.confusion import count_outcomes
from glioframe.evaluation.sample import Sample
from glioframe.evaluation.wording import count
from glioframe.reporting import wording
from glioframe.reporting.calibration_figure import draw_calibration
from glioframe.reporting.overlay import draw_decision_curves
from glioframe.reporting.probability_figure import draw_probabilities
from glioframe.reporting.questions import CaseAnswer, Question, answers_to
from glioframe.reporting.roc_figure import draw_roc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glioframe.artifacts.evaluation import Evaluation, EvaluationGroup, Metrics


@dataclass(frozen=True, kw_only=True)
class MetricLine:
    """One line of a metric table."""

    name: str
    meaning: str
    value: float | None
    value_text: str
    limits: tuple[float, float] | None
    interval_text: str
    n: int
    method: str
    lower_is_better: bool
    is_share: bool


@dataclass(frozen=True, kw_only=True)
class ConfusionTable:
    """Counts by reference (rows) and call (columns)."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One positive class against the rest, on one split."""

    anchor: str
    positive: str
    negative: str
    group: EvaluationGroup
    headline: str
    in_words: tuple[str, ...]
    metrics: tuple[MetricLine, ...]
    figures: tuple[tuple[str, str], ...]
    confusion: ConfusionTable | None
    sites: tuple[tuple[EvaluationGroup, tuple[MetricLine, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One question on one split; without any reference there are no comparisons, and a sentence that says so."""

    anchor: str
    title: str
    without_reference: str
    comparisons: tuple[Comparison, ...]
    argmax: ConfusionTable | None
    argmax_in_words: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """One question with its arms, and every case of it."""

    question: Question
    arms: tuple[Arm, ...]
    answers: tuple[CaseAnswer, ...]


def results_of(questions: Sequence[Question], evaluation: Evaluation) -> list[Result]:
    """Everything that the page says about each question."""
    return [_result(f"q{index}", question, evaluation) for index, question in enumerate(questions)]


def metric_lines(group: EvaluationGroup, names: Sequence[str] = tuple(wording.METRIC_NAMES)) -> tuple[MetricLine, ...]:
    """The metrics of a group, ready to print."""
    prevalence = group.num_positive / max(1, group.num_cases)
    return tuple(_metric_line(group.metrics, name, prevalence) for name in names)


def _metric_line(metrics: Metrics, name: str, prevalence: float) -> MetricLine:
    metric = getattr(metrics, name)
    label, meaning = wording.METRIC_NAMES[name]
    return MetricLine(
        name=label,
        meaning=meaning.format(prevalence=prevalence),
        value=metric.value,
        value_text=wording.number(metric.value),
        limits=metric.ci95,
        interval_text=wording.interval(metric),
        n=metric.n,
        method=metric.interval,
        lower_is_better=name in wording.LOWER_IS_BETTER,
        is_share=name not in wording.UNBOUNDED,
    )


def _result(anchor: str, question: Question, evaluation: Evaluation) -> Result:
    answers = tuple(answers_to(question))
    arms = []
    for split, title in wording.SPLIT_NAMES.items():
        own = [answer for answer in answers if answer.split == split]
        if not own:
            continue
        known = [answer for answer in own if answer.reference]
        own_anchor = f"{anchor}-{split}"
        if known:
            arms.append(_measured_arm(own_anchor, title, question, evaluation, split, known))
        else:
            arms.append(_unmeasured_arm(own_anchor, len(own)))
    return Result(question=question, arms=tuple(arms), answers=answers)


def _measured_arm(
    anchor: str, title: str, question: Question, evaluation: Evaluation, split: str, known: Sequence[CaseAnswer]
) -> Arm:
    in_words = (
        f"The most probable class is the reference in {sum(answer.verdict == 'right' for answer in known)} of "
        f"{count(len(known), 'case')}."
    )
    return Arm(
        anchor=anchor,
        title=title,
        without_reference="",
        comparisons=tuple(_comparisons(anchor, question, evaluation, split)),
        argmax=None if question.is_binary else _argmax_table(question.classes, known),
        argmax_in_words="" if question.is_binary else in_words,
    )


def _unmeasured_arm(anchor: str, num_cases: int) -> Arm:
    verb = "has" if num_cases == 1 else "have"
    return Arm(
        anchor=anchor,
        title=wording.WITHOUT_REFERENCE,
        without_reference=(
            f"{count(num_cases, 'case')} {verb} a prediction but no reference, so nothing can be said about "
            "how good the predictions are. They are listed under Cases."
        ),
        comparisons=(),
        argmax=None,
        argmax_in_words="",
    )


def _comparisons(anchor: str, question: Question, evaluation: Evaluation, split: str) -> Iterator[Comparison]:
    for index, (target, negative_name, positive_name) in enumerate(question.parts):
        negative, positive = wording.plain(negative_name), wording.plain(positive_name)
        groups = [
            group
            for group in evaluation.groups
            if (group.model, group.target, group.split) == (question.model, target, split)
        ]
        whole = next((group for group in groups if not group.site), None)
        if whole is None:
            continue
        rows = [row for row in question.rows if row.target == target and row.split == split]
        points = (min(row.operating_point for row in rows), max(row.operating_point for row in rows))
        sample = Sample.from_rows(rows)
        own_anchor = f"{anchor}-{index}"
        shown = ("auc", "balanced_accuracy", "sensitivity", "specificity")
        yield Comparison(
            anchor=own_anchor,
            positive=positive,
            negative=negative,
            group=whole,
            headline=wording.headline(whole, positive=positive),
            in_words=(
                wording.auc_in_words(whole, negative=negative, positive=positive),
                wording.calls_in_words(whole, negative=negative, positive=positive),
                wording.operating_points_in_words(points),
            ),
            metrics=metric_lines(whole),
            figures=tuple(_figures(own_anchor, sample, points, (negative, positive))),
            confusion=_confusion_table(sample, (negative, positive)),
            sites=tuple((group, metric_lines(group, shown)) for group in groups if group.site),
        )


def _figures(
    anchor: str, sample: Sample, points: tuple[float, float], classes: tuple[str, str]
) -> Iterator[tuple[str, str]]:
    """(SVG, caption) of each figure that the sample allows."""
    if sample.num_positive and sample.num_negative:
        caption = (
            "ROC curve; the band holds the sensitivity at each specificity in 95 % of resamples of patients. "
            "Folds with different thresholds put the operating point off the curve."
        )
        yield draw_roc(sample, name=f"{anchor}-roc"), caption
    if sample.num_cases:
        caption = (
            "Calibration: what the probabilities said against what came, in bins of equally many cases, with Wilson's "
            "95 % intervals. Below, the probabilities of both classes."
        )
        yield draw_calibration(sample, classes, name=f"{anchor}-calibration"), caption
        caption = (
            "Decision curve: true positives per case, less the false alarms at their cost, when acting from each "
            "threshold on. Of use where it lies above acting on all and on none. The band is of the bootstrap over "
            "patients."
        )
        yield draw_decision_curves({"model": sample}, name=f"{anchor}-decision"), caption
        caption = "Each case at its probability: dots are called right, crosses are called wrong."
        yield draw_probabilities(sample, points, classes, name=f"{anchor}-probabilities"), caption


def _confusion_table(sample: Sample, classes: tuple[str, str]) -> ConfusionTable | None:
    if not sample.num_cases:
        return None
    outcomes = count_outcomes(sample.reference, sample.calls)
    negative = (int(outcomes.true_negative[0]), int(outcomes.false_positive[0]))
    positive = (int(outcomes.false_negative[0]), int(outcomes.true_positive[0]))
    return ConfusionTable(classes=classes, counts=(negative, positive))


def _argmax_table(classes: tuple[str, ...], answers: Sequence[CaseAnswer]) -> ConfusionTable:
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    for answer in answers:
        counts[classes.index(answer.reference), classes.index(answer.call)] += 1
    return ConfusionTable(
        classes=tuple(wording.plain(name) for name in classes),
        counts=tuple(tuple(int(number) for number in row) for row in counts),
    )
