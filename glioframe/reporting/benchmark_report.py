"""The page of a benchmark: which model to believe, by how much, and with what certainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glioframe.evaluation.sample import Sample
from glioframe.reporting import wording
from glioframe.reporting.overlay import MOST_MODELS, draw_calibration_overlay, draw_decision_curves, draw_roc_overlay
from glioframe.reporting.page import page_template
from glioframe.reporting.results import MetricLine, metric_lines
from glioframe.reporting.summary import dataset_summary, provenance_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glioframe.artifacts.evaluation import EvaluationGroup
    from glioframe.reporting.benchmark_content import BenchmarkContent
    from glioframe.reporting.checklist import ChecklistItem

_SHOWN = ("auc", "balanced_accuracy", "sensitivity", "specificity", "brier", "ece")


@dataclass(frozen=True, kw_only=True)
class ModelLine:
    """One model in a table."""

    name: str
    lines: tuple[MetricLine, ...]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One target (or class of it) on one split: its table and its pictures."""

    anchor: str
    title: str
    num_cases: int
    num_positive: int
    models: tuple[ModelLine, ...]
    remarks: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    sites: tuple[str, ...]
    per_site: tuple[tuple[str, tuple[MetricLine | None, ...]], ...]


def render_benchmark(content: BenchmarkContent, checklist: Sequence[ChecklistItem]) -> str:
    """The page as text."""
    return page_template("benchmark.html.j2").render(
        content=content,
        arms=list(_arms(content)),
        subsets=_subsets(content),
        left_out=[outcome for outcome in content.outcomes if outcome.status != "done"],
        checklist=checklist,
        dataset=dataset_summary(content.fingerprint),
        origins=provenance_lines([("Metrics", content.evaluation.provenance), ("Plan", content.plan.provenance)]),
    )


def _arms(content: BenchmarkContent) -> Iterator[Arm]:
    groups = content.evaluation.groups
    for split, title in wording.SPLIT_NAMES.items():
        own = [group for group in groups if group.split == split]
        for index, target in enumerate(dict.fromkeys(group.target for group in own)):
            whole = [group for group in own if group.target == target and not group.site]
            by_site = [group for group in own if group.target == target and group.site]
            sites = tuple(dict.fromkeys(group.site for group in by_site))
            anchor = f"{split}-{index}"
            one_class = target.partition("=")[2]
            yield Arm(
                anchor=anchor,
                title=title + (f": {wording.plain(one_class)} against the rest" if one_class else ""),
                num_cases=whole[0].num_cases,
                num_positive=whole[0].num_positive,
                models=tuple(ModelLine(name=group.model, lines=metric_lines(group, _SHOWN)) for group in whole),
                remarks=_shared_remarks(whole),
                figures=tuple(_figures(content, anchor, split, target, whole)),
                sites=sites,
                per_site=tuple(_per_site(whole, by_site, sites)),
            )


def _shared_remarks(groups: Sequence[EvaluationGroup]) -> tuple[str, ...]:
    """What holds for every model, e.g. that there are few cases; a model's own remarks stand in its report."""
    return tuple(remark for remark in groups[0].remarks if all(remark in group.remarks for group in groups))


def _figures(
    content: BenchmarkContent, anchor: str, split: str, target: str, groups: Sequence[EvaluationGroup]
) -> Iterator[tuple[str, str]]:
    """(SVG, caption) of the pictures in which models can be told apart."""
    chosen = _overlaid(content, groups)
    samples = {
        name: Sample.from_rows(
            [row for row in content.rows if (row.model, row.split, row.target) == (name, split, target)]
        )
        for name in chosen
    }
    first = next(iter(samples.values()), None)
    if first is None or not (first.num_positive and first.num_negative):
        return
    which = (
        "" if len(chosen) == len(groups) else " Shown: the reference, and of each other task its row of highest AUC."
    )
    caption = f"ROC curves; a band holds the sensitivity in 95 % of resamples of patients.{which}"
    yield draw_roc_overlay(samples, name=f"{anchor}-roc"), caption
    caption = "Calibration: what the probabilities said against what came, in bins of equally many cases."
    yield draw_calibration_overlay(samples, name=f"{anchor}-calibration"), caption
    caption = (
        "Net benefit of acting on a model, against acting on every case or on none, by the probability from which on "
        "one would act (A. J. Vickers and E. B. Elkin, Med. Decis. Making 26 (2006) 565-574)."
    )
    yield draw_decision_curves(samples, name=f"{anchor}-decision"), caption


def _overlaid(content: BenchmarkContent, groups: Sequence[EvaluationGroup]) -> list[str]:
    """The reference and, of each other task, the row of highest AUC: with more curves, none can be followed."""
    reference = content.matrix.reference
    task_of = {row.name: row.task for row in content.matrix.rows}
    best: dict[str, str] = {}
    for group in sorted(groups, key=lambda group: -(group.metrics.auc.value or 0.0)):
        best.setdefault(task_of[group.model], group.model)
    if reference in {group.model for group in groups}:
        best[task_of[reference]] = reference
    return [group.model for group in groups if group.model in best.values()][:MOST_MODELS]


def _per_site(
    whole: Sequence[EvaluationGroup], by_site: Sequence[EvaluationGroup], sites: Sequence[str]
) -> Iterator[tuple[str, tuple[MetricLine | None, ...]]]:
    found = {(group.model, group.site): metric_lines(group, ("auc",))[0] for group in by_site}
    for group in whole:
        yield group.model, tuple(found.get((group.model, site)) for site in sites)


def _subsets(content: BenchmarkContent) -> list[tuple[str, tuple[tuple[str, MetricLine], ...]]]:
    """For each model: AUC with all channels, then with each subset; of the cross-validated cases."""
    if content.channel_subsets is None:
        return []
    subsets = [group for group in content.channel_subsets.groups if not group.site and group.split == "train"]
    lines = []
    for group in content.evaluation.groups:
        own = [each for each in subsets if each.target == group.target and each.model.startswith(f"{group.model}: ")]
        if group.site or group.split != "train" or not own:
            continue
        label = group.model + (f", {wording.plain(group.target.partition('=')[2])}" if "=" in group.target else "")
        cells = [("all channels", metric_lines(group, ("auc",))[0])]
        cells += [(each.model.removeprefix(f"{group.model}: "), metric_lines(each, ("auc",))[0]) for each in own]
        lines.append((label, tuple(cells)))
    return lines
