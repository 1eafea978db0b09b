"""One AUC for a target of several classes: the mean over the classes, each against the rest.

D. J. Hand and R. J. Till, Mach. Learn. 45 (2001) 171-186, in the form of F. Provost and P. Domingos, Mach. Learn. 52
(2003) 199-215, with equal weights. Its variance is that of a mean of correlated AUCs of the same patients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.artifacts.evaluation import MacroAuc, Metric
from glioframe.evaluation.delong import delong_interval
from glioframe.evaluation.metrics import UNDEFINED
from glioframe.evaluation.paired import PairedPredictions
from glioframe.evaluation.rows import CLASS_SEPARATOR, SPLITS, target_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.prediction import PredictionRow

NO_SPREAD = "none: the variance over patients cannot be estimated"


def macro_aucs(rows: Sequence[PredictionRow]) -> tuple[MacroAuc, ...]:
    """The macro average of every model, target of several classes, and split."""
    of_several = [row for row in rows if CLASS_SEPARATOR in row.target]
    keys = dict.fromkeys((row.model, target_name(row.target)) for row in of_several)
    found = []
    for model, target in keys:
        for split in SPLITS:
            own = [
                row for row in of_several if (row.model, target_name(row.target), row.split) == (model, target, split)
            ]
            if own:
                classes = tuple(dict.fromkeys(row.target.partition(CLASS_SEPARATOR)[2] for row in own))
                auc = _macro_auc(PairedPredictions.from_rows(own))
                found.append(MacroAuc(model=model, target=target, split=split, classes=classes, auc=auc))
    return tuple(found)


def _macro_auc(paired: PairedPredictions) -> Metric:
    if not paired.is_comparable:
        return Metric(value=None, ci95=None, n=paired.num_cases, interval=UNDEFINED)
    (value,), covariance = paired.aucs(), paired.covariance()
    interval = None if covariance is None else delong_interval(float(value), float(covariance[0, 0]))
    return Metric(
        value=float(value),
        ci95=interval.limits if interval else None,
        n=paired.num_cases,
        interval=interval.method if interval else NO_SPREAD,
    )
