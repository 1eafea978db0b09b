"""Cross-validation folds: grouped by subject, stratified by every target, balanced by site."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np

from glioframe.artifacts.splits import Fold
from glioframe.core.errors import DatasetError, SettingError
from glioframe.core.seeds import derive_seed

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from numpy.typing import NDArray

    from glioframe.artifacts.cases import Case
    from glioframe.artifacts.dataset import Target

MIN_FOLDS = 2
_UNKNOWN = None


def make_folds(cases: Sequence[Case], targets: Sequence[Target], *, num_folds: int, seed: int = 12345) -> list[Fold]:
    """Deals the training cases into ``num_folds`` folds, whole subjects at a time.

    Every fold gets, as nearly as whole subjects allow, the same number of cases, of cases of each class of
    each target, and of each combination of classes; an unknown target counts as a class of its own. Among
    equally good folds those with the most even sites are taken. A class with fewer subjects than folds is
    spread over as many folds as it has subjects; the other folds have none of it in ``val``.

    The result depends on the seed and on the cases, not on their order. External cases are left out.

    Raises:
        DatasetError: There are fewer training subjects than folds, or a subject is both in train and external.
        SettingError: Fewer than two folds are asked for.
    """
    if num_folds < MIN_FOLDS:
        raise SettingError(
            "num_folds", expected=f"{MIN_FOLDS} folds or more", found=str(num_folds), fix="Ask for more folds"
        )
    cases_of = _training_cases_by_subject(cases)
    if len(cases_of) < num_folds:
        raise DatasetError(
            "cases.tsv",
            expected=f"at least {num_folds} subjects with split train, one per fold",
            found=f"{len(cases_of)}",
            fix="Ask for fewer folds (num_folds in plans.json, then --keep-plan), or add subjects",
        )
    subjects = _dealing_order(cases_of, targets, seed)
    features, weights = _features([cases_of[subject] for subject in subjects], targets)
    fold_of_subject = np.arange(len(subjects)) % num_folds
    _exchange_subjects(fold_of_subject, features, weights, num_folds)
    return _folds(
        {
            case.case_id: int(fold)
            for subject, fold in zip(subjects, fold_of_subject, strict=True)
            for case in cases_of[subject]
        },
        num_folds,
    )


def make_site_folds(cases: Sequence[Case]) -> list[Fold]:
    """One fold per site, in alphabetical order: each site's training cases are predicted by what the others teach.

    Raises:
        DatasetError: A training case has no site, there is one site only, or a subject was seen at two.
    """
    training = [case for group in _training_cases_by_subject(cases).values() for case in group]
    unknown = sorted(case.case_id for case in training if not case.site)
    if unknown:
        raise DatasetError(
            "cases.tsv",
            expected="a site for every training case, to leave one site out at a time",
            found=f"none for {', '.join(unknown)}",
            fix="Fill in the column site, or keep the planned folds",
        )
    sites = sorted({case.site for case in training})
    if len(sites) < MIN_FOLDS:
        raise DatasetError(
            "cases.tsv",
            expected=f"training cases of {MIN_FOLDS} sites or more, to leave one out",
            found=f"{len(sites)}",
            fix="Keep the planned folds",
        )
    sites_of: defaultdict[str, set[str]] = defaultdict(set)
    for case in training:
        sites_of[case.subject_id].add(case.site)
    moved = sorted(subject for subject, own in sites_of.items() if len(own) > 1)
    if moved:
        raise DatasetError(
            "cases.tsv",
            expected="every subject at one site, to leave one site out at a time",
            found=f"{', '.join(moved)} at several",
            fix="Keep the planned folds, or give these subjects one site",
        )
    return _folds({case.case_id: sites.index(case.site) for case in training}, len(sites))


def _training_cases_by_subject(cases: Sequence[Case]) -> Mapping[str, list[Case]]:
    external = {case.subject_id for case in cases if case.split == "external"}
    cases_of: defaultdict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if case.split == "train":
            cases_of[case.subject_id].append(case)
    leaking = sorted(external & cases_of.keys())
    if leaking:
        raise DatasetError(
            "cases.tsv",
            expected="every subject in one split only",
            found=f"{', '.join(leaking)} in both train and external",
            fix="Move all cases of these subjects to one split",
        )
    return cases_of


def _stratum(case: Case, targets: Sequence[Target]) -> tuple[str, ...]:
    return tuple(case.targets.get(target.name, _UNKNOWN) or "" for target in targets)


def _dealing_order(cases_of: Mapping[str, list[Case]], targets: Sequence[Target], seed: int) -> list[str]:
    """Subjects with like ones side by side, at random among equals.

    Dealt out like cards, one fold after another, subjects of one case each are already balanced: each class
    and the whole pack are runs of consecutive cards, so no two folds differ by more than one.
    """

    def key(subject: str) -> tuple[object, ...]:
        cases = cases_of[subject]
        strata = sorted(_stratum(case, targets) for case in cases)
        sites = sorted(case.site for case in cases)
        return (-len(cases), strata, sites, derive_seed(seed, "folds", subject), subject)

    return sorted(cases_of, key=key)


def _features(
    groups: Sequence[Sequence[Case]], targets: Sequence[Target]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Counts (subject, feature) that should be even over the folds, and the weight of each feature.

    The weight of a site is 1, that of any other feature so large that no gain in sites can pay for it.
    """
    counts = [Counter(feature for case in group for feature in _case_features(case, targets)) for group in groups]
    names = sorted({feature for count in counts for feature in count}, key=repr)
    matrix = np.array([[count[name] for name in names] for count in counts], dtype=np.int64)
    num_cases = sum(len(group) for group in groups)
    weights = np.array([1 if name[0] == "site" else num_cases**2 + 1 for name in names], dtype=np.int64)
    return matrix, weights


def _case_features(case: Case, targets: Sequence[Target]) -> list[tuple[Hashable, ...]]:
    stratum = _stratum(case, targets)
    classes = [("class", target.name, value) for target, value in zip(targets, stratum, strict=True)]
    return [("case",), *classes, ("stratum", stratum), ("site", case.site)]


def _exchange_subjects(
    fold_of_subject: NDArray[np.int64], features: NDArray[np.int64], weights: NDArray[np.int64], num_folds: int
) -> None:
    """Moves and swaps subjects, in place, for as long as that evens out the folds.

    The cost is the weighted sum of squares of every count in every fold: as the totals are fixed, it is least
    when the counts are even. It is an integer that falls with every exchange, so this ends; and as
    the square of a sum exceeds the sum of squares, no exchange can leave a fold empty.
    """
    counts = np.zeros((num_folds, features.shape[1]), dtype=np.int64)
    np.add.at(counts, fold_of_subject, features)
    improved = True
    while improved:
        improved = False
        for subject in range(len(fold_of_subject)):
            gain, partner, fold = _best_exchange(subject, fold_of_subject, features, counts, weights)
            if gain <= 0:
                continue
            origin = fold_of_subject[subject]
            arriving = features[partner] if partner is not None else 0
            counts[origin] += arriving - features[subject]
            counts[fold] += features[subject] - arriving
            fold_of_subject[subject] = fold
            if partner is not None:
                fold_of_subject[partner] = origin
            improved = True


def _best_exchange(
    subject: int,
    fold_of_subject: NDArray[np.int64],
    features: NDArray[np.int64],
    counts: NDArray[np.int64],
    weights: NDArray[np.int64],
) -> tuple[int, int | None, int]:
    """How much the best exchange of ``subject`` lowers the cost, with whom (None: a mere move), into which fold."""
    origin = fold_of_subject[subject]
    surplus = counts[origin] - counts  # (fold, feature): how much more the subject's fold has

    def gains(moved: NDArray[np.int64], into: NDArray[np.int64]) -> NDArray[np.int64]:
        # (a - m)^2 + (b + m)^2 is lower than a^2 + b^2 by 2 m (a - b - m).
        lowered: NDArray[np.int64] = (2 * moved * (surplus[into] - moved)) @ weights
        return np.where(into == origin, 0, lowered)

    swaps = gains(features[subject] - features, fold_of_subject)
    moves = gains(np.broadcast_to(features[subject], counts.shape), np.arange(len(counts)))
    if swaps.max() >= moves.max() or (features == features[0]).all(axis=0)[0]:
        partner = int(swaps.argmax())
        return int(swaps[partner]), partner, int(fold_of_subject[partner])
    return int(moves.max()), None, int(moves.argmax())


def _folds(fold_of_case: Mapping[str, int], num_folds: int) -> list[Fold]:
    case_ids = sorted(fold_of_case)
    return [
        Fold(
            train=tuple(case_id for case_id in case_ids if fold_of_case[case_id] != fold),
            val=tuple(case_id for case_id in case_ids if fold_of_case[case_id] == fold),
        )
        for fold in range(num_folds)
    ]
