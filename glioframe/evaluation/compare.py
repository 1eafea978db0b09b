"""Is one model better than another? Paired, because both saw the same cases."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from glioframe.artifacts.comparison import Comparison
from glioframe.core.errors import PredictionError
from glioframe.core.seeds import derive_seed
from glioframe.evaluation.delong import delong_test
from glioframe.evaluation.multiplicity import holm
from glioframe.evaluation.paired import PairedPredictions
from glioframe.evaluation.permutation import permutation_p_value
from glioframe.evaluation.resolution import LEVEL, detectable_difference, resolvable_in_words
from glioframe.evaluation.rows import SPLITS, refuse_unusable, target_name
from glioframe.evaluation.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glioframe.artifacts.comparison import Family, Verdict
    from glioframe.artifacts.prediction import PredictionRow


def compare(
    rows: Sequence[PredictionRow],
    reference_model: str | None = None,
    *,
    num_permutations: int = 10_000,
    seed: int = 0,
) -> tuple[Comparison, ...]:
    """Compares the AUCs of models on the same cases, for each target and split.

    First every model against the reference (family ``reference``), then all pairs (family ``all_pairs``). P values
    are adjusted within a family, for one target and split: who asks the first question only, pays for it only. A
    target of several classes is compared by the macro average of its AUCs. Targets and splits in which a class is
    absent are left out, for they have no AUC.

    Args:
        rows: Of two or more models.
        reference_model: Name of the model to beat, e.g. a rule that clinics use already.
        num_permutations: Random swaps where there are too many patients to try all.
        seed: Of the swaps.

    Raises:
        PredictionError: There is no row, a case is predicted twice, the reference is not among the models, or models
            differ in their cases, folds, splits or references.
    """
    refuse_unusable(rows)
    _refuse_unknown(reference_model, rows)
    found: list[Comparison] = []
    for target, split in sorted(
        {(target_name(row.target), row.split) for row in rows}, key=lambda key: (key[0], SPLITS.index(key[1]))
    ):
        own = [row for row in rows if (target_name(row.target), row.split) == (target, split)]
        paired = PairedPredictions.from_rows(own)
        if paired.is_comparable:
            found += _families(paired, reference_model, num_permutations=num_permutations, seed=seed)
    return tuple(found)


def _families(
    paired: PairedPredictions, reference_model: str | None, *, num_permutations: int, seed: int
) -> Iterator[Comparison]:
    models = range(len(paired.models))
    pairs = list(combinations(models, 2))
    if reference_model in paired.models:
        reference = paired.models.index(reference_model)
        against = [(model, reference) for model in models if model != reference]
        yield from _family(paired, "reference", against, num_permutations=num_permutations, seed=seed)
    yield from _family(paired, "all_pairs", pairs, num_permutations=num_permutations, seed=seed)


def _family(
    paired: PairedPredictions, family: Family, pairs: Sequence[tuple[int, int]], *, num_permutations: int, seed: int
) -> Iterator[Comparison]:
    raw = [_compare_pair(paired, family, pair, num_permutations=num_permutations, seed=seed) for pair in pairs]
    for comparison, adjusted in zip(raw, holm([each.p_permutation for each in raw]), strict=True):
        yield replace(comparison, p_holm=adjusted, verdict=_verdict(comparison.difference, adjusted))


def _compare_pair(
    paired: PairedPredictions, family: Family, pair: tuple[int, int], *, num_permutations: int, seed: int
) -> Comparison:
    first, second = pair
    model_a, model_b = paired.models[first], paired.models[second]
    auc_a, auc_b = (float(auc) for auc in paired.aucs()[[first, second]])
    covariance = paired.covariance()
    test = None if covariance is None else delong_test((auc_a, auc_b), covariance[[[first], [second]], [first, second]])
    # One stream for a pair whichever comes first, so that both families and both directions agree.
    stream = derive_seed(seed, paired.target, paired.split, *sorted((model_a, model_b)))
    p_permutation = permutation_p_value(
        paired.swap_effects(first, second), num_permutations=num_permutations, seed=stream
    )
    return Comparison(
        family=family,
        model_a=model_a,
        model_b=model_b,
        target=paired.target,
        split=paired.split,
        num_cases=paired.num_cases,
        num_patients=paired.num_patients,
        auc_a=auc_a,
        auc_b=auc_b,
        difference=auc_a - auc_b,
        ci95=test.interval.limits if test else None,
        p_delong=test.p_value if test else None,
        p_permutation=p_permutation,
        p_holm=p_permutation,
        detectable_difference=detectable_difference(test.standard_error) if test and test.standard_error else None,
        verdict="not_shown",
    )


def _verdict(difference: float, p_holm: float) -> Verdict:
    if p_holm >= LEVEL:
        return "not_shown"
    return "a_better" if difference > 0 else "b_better"


def _refuse_unknown(reference_model: str | None, rows: Sequence[PredictionRow]) -> None:
    models = dict.fromkeys(row.model for row in rows)
    if reference_model is not None and reference_model not in models:
        raise PredictionError(
            "reference model",
            expected=f"one of {', '.join(models)}",
            found=repr(reference_model),
            fix="Name a model that has predictions",
        )


def plain_conclusion(comparisons: Sequence[Comparison]) -> str:
    """What the comparisons show, in words: a sentence or two for each target and split.

    Speaks of the models against the reference where there is one, of all pairs otherwise.
    """
    if not comparisons:
        return "No comparison: it needs two models and cases of both classes."
    groups = dict.fromkeys((each.target, each.split) for each in comparisons)
    return " ".join(
        _conclusion([each for each in comparisons if (each.target, each.split) == group]) for group in groups
    )


def _conclusion(comparisons: Sequence[Comparison]) -> str:
    against = [each for each in comparisons if each.family == "reference"]
    family = against or list(comparisons)
    shown = [_shown(each) for each in family if each.verdict != "not_shown"]
    about = family[0]
    kind = "cross-validated" if about.split == "train" else "external"
    where = f"{about.target}, {count(about.num_cases, f'{kind} case')} of {count(about.num_patients, 'patient')}"
    if against and not any(each.verdict == "a_better" for each in against):
        shown.insert(0, f"no model is shown better than {about.model_b}")
    elif not shown:
        shown.append("no model is shown better than another")
    smallest = min(each.p_holm for each in family)
    resolved = [each.detectable_difference for each in family if each.detectable_difference is not None]
    limits = f"smallest p value {smallest:.2g} after Holm for {count(len(family), 'comparison')}"
    if resolved:
        size = resolvable_in_words(resolved)
        shows = f"show a true difference of {size} in the AUC, not a smaller one" if size else "show no difference"
        limits += f"; with 80 % power, so many patients {shows}"
    return f"{where}: {'; '.join(shown)} ({limits})."


def _shown(comparison: Comparison) -> str:
    better, worse = comparison.model_a, comparison.model_b
    if comparison.verdict == "b_better":
        better, worse = worse, better
    between = ""
    if comparison.ci95 is not None:
        sign = 1 if comparison.verdict == "a_better" else -1
        low, high = sorted(sign * limit for limit in comparison.ci95)
        between = f", 95 % interval {low:.2f} to {high:.2f}"
    return (
        f"{better} is shown better than {worse} (AUC higher by {abs(comparison.difference):.2f}{between}, "
        f"p {comparison.p_holm:.2g})"
    )
