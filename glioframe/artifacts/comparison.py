"""Two models on the same cases: how far their AUCs lie apart, and whether that is more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from glioframe.artifacts.cases import Split
from glioframe.artifacts.json_file import STRICT

Verdict: TypeAlias = Literal["a_better", "b_better", "not_shown"]
Family: TypeAlias = Literal["reference", "all_pairs"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """A paired comparison of two models.

    Attributes:
        family: The questions that were asked together, over which p values are adjusted: every model against one
            reference (which is ``model_b``), or all pairs.
        model_a: Name of the first model.
        model_b: Name of the second model.
        target: Its name, without a class; of several classes the AUC is the macro average over them.
        split: ``train`` for cross-validated cases, ``external`` otherwise.
        num_cases: Cases with a known reference, the same for both.
        num_patients: Patients behind them.
        auc_a: AUC of the first model.
        auc_b: AUC of the second model.
        difference: ``auc_a - auc_b``.
        ci95: 95 % interval of the difference, DeLong's over patients; None with fewer than two patients in a class.
        p_delong: Two-sided p value of DeLong's paired test; None where it does not exist.
        p_permutation: Two-sided p value of swapping the two models patient by patient.
        p_holm: ``p_permutation``, adjusted by Holm for all comparisons of the family on this target and split.
        detectable_difference: The smallest true difference that 80 % of cohorts like this one would show at the
            5 % level, before any adjustment; None where there is no variance to tell it from.
        verdict: Which model is shown to be better: ``p_holm`` below 0.05.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    family: Family
    model_a: str
    model_b: str
    target: str
    split: Split
    num_cases: int
    num_patients: int
    auc_a: float
    auc_b: float
    difference: float
    ci95: tuple[float, float] | None
    p_delong: float | None
    p_permutation: float
    p_holm: float
    detectable_difference: float | None
    verdict: Verdict
