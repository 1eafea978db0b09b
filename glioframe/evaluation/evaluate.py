"""Predictions to metrics: for each model and target, over all sites, for external cases, and site by site."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from glioframe.artifacts.evaluation import Evaluation, EvaluationGroup
from glioframe.core.provenance import Provenance
from glioframe.core.seeds import derive_seed
from glioframe.evaluation.macro import macro_aucs
from glioframe.evaluation.metrics import measure
from glioframe.evaluation.remarks import macro_remark, remarks_on
from glioframe.evaluation.rows import CLASS_SEPARATOR, SPLITS, refuse_unusable, target_name
from glioframe.evaluation.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glioframe.artifacts.cases import Split
    from glioframe.artifacts.evaluation import MacroAuc
    from glioframe.artifacts.prediction import PredictionRow


def evaluate(
    rows: Sequence[PredictionRow],
    *,
    num_resamples: int = 2000,
    seed: int = 0,
    provenance: Provenance | None = None,
) -> Evaluation:
    """Measures every group of predictions.

    Args:
        rows: One row per case, model and target (or class of a target).
        num_resamples: Of the bootstrap over patients.
        seed: Of its draws; each group has its own stream.
        provenance: Where the predictions come from.

    Raises:
        PredictionError: There is no row, or a case is predicted twice.
    """
    refuse_unusable(rows)
    groups = []
    for model, target in dict.fromkeys((row.model, row.target) for row in rows):
        own = [row for row in rows if (row.model, row.target) == (model, target)]
        for split, site, members in _groups_of(own):
            sample = Sample.from_rows(members)
            metrics = measure(sample, num_resamples=num_resamples, seed=derive_seed(seed, model, target, split, site))
            groups.append(
                EvaluationGroup(
                    model=model,
                    target=target,
                    split=split,
                    site=site,
                    num_cases=sample.num_cases,
                    num_subjects=sample.num_patients,
                    num_positive=sample.num_positive,
                    metrics=metrics,
                    remarks=remarks_on(sample, metrics),
                )
            )
    macros = macro_aucs(rows)
    return Evaluation(
        groups=tuple(_with_macro_remarks(groups, macros)),
        macro_aucs=macros,
        provenance=provenance or Provenance(seed=seed),
    )


def _groups_of(rows: Sequence[PredictionRow]) -> Iterator[tuple[Split, str, list[PredictionRow]]]:
    """Split, site ("" for all) and rows of each group, in the order of ``metrics.json``.

    Sites are listed where a split has more than one; rows of an unknown site are in the whole only.
    """
    of_split = {split: [row for row in rows if row.split == split] for split in SPLITS}
    for split, members in of_split.items():
        if members:
            yield split, "", members
    for split, members in of_split.items():
        if len({row.site for row in members}) > 1:
            for site in sorted({row.site for row in members if row.site}):
                yield split, site, [row for row in members if row.site == site]


def _with_macro_remarks(groups: Sequence[EvaluationGroup], macros: Sequence[MacroAuc]) -> Iterator[EvaluationGroup]:
    """Adds the macro average over a target's classes to each of its groups over all sites."""
    of_key = {(macro.model, macro.target, macro.split): macro for macro in macros}
    classes: defaultdict[tuple[str, str, str], dict[str, float | None]] = defaultdict(dict)
    for group in groups:
        if not group.site:
            class_name = group.target.partition(CLASS_SEPARATOR)[2]
            classes[group.model, target_name(group.target), group.split][class_name] = group.metrics.auc.value
    for group in groups:
        key = (group.model, target_name(group.target), group.split)
        if key in of_key and not group.site:
            yield replace(group, remarks=(*group.remarks, macro_remark(of_key[key], classes[key])))
        else:
            yield group
