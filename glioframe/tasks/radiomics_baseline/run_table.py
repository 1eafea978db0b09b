"""The feature table of a run's cases."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from glioframe.core.errors import TaskError
from glioframe.tasks.radiomics_baseline.case_features import OUTLINES, extract_cases, settings_of
from glioframe.tasks.radiomics_baseline.covariates import covariate_features
from glioframe.tasks.radiomics_baseline.filters import intraclass_correlation
from glioframe.tasks.radiomics_baseline.table import FeatureTable, check_cases, read_features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.case import PreprocessedCase
    from glioframe.task_api.run import Run
    from glioframe.tasks.radiomics_baseline.settings import Settings

_read_once = lru_cache(maxsize=4)(read_features)


def feature_table(
    run: Run[Settings],
    case_ids: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    seen: Sequence[PreprocessedCase] | None = None,
) -> FeatureTable:
    """Features and covariates of cases.

    Args:
        run: Names the folder of the cases, plan and settings.
        case_ids: The rows.
        names: The columns; None for every one that a case has. A column that a case lacks is a missing value.
        seen: The same cases as the caller has them, maybe with channels hidden; None for what is in the folder.

    Raises:
        TaskError: A case or a column is absent from a given table, or a covariate cannot be read.
        PredictionError: A case has no lesion.
    """
    rows = _given(run, case_ids) if run.settings.features else extract_cases(run, case_ids, seen=seen)
    cases = [run.find_case(case_id) for case_id in case_ids]
    rows = [row | covariate_features(case, run.settings) for row, case in zip(rows, cases, strict=True)]
    columns = list(dict.fromkeys(name for row in rows for name in row)) if names is None else list(names)
    return FeatureTable(
        case_ids=tuple(case_ids),
        subjects=tuple(case.subject_id if case else case_id for case, case_id in zip(cases, case_ids, strict=True)),
        sites=tuple(case.site if case else "" for case in cases),
        names=tuple(columns),
        values=np.array([[row.get(name, math.nan) for name in columns] for row in rows], dtype=np.float64),
    )


def check_table(run: Run[Settings], case_ids: Sequence[str]) -> None:
    """Refuses what :func:`feature_table` would refuse, but for what is only seen when features are extracted.

    Raises:
        TaskError: A case is absent from a given table, a quantity has no bin width, or a covariate cannot be read.
    """
    if run.settings.features:
        _given(run, case_ids)
    else:
        settings_of(run)
    for case_id in case_ids:
        covariate_features(run.find_case(case_id), run.settings)


def stable_columns(run: Run[Settings], table: FeatureTable) -> list[str]:
    """The features that survive a voxel less and a voxel more of the outline in the training cases.

    Covariates and uptake measures, which do not depend on the outline's exact place, stay.

    Raises:
        TaskError: No feature is stable enough.
    """
    outlined = [extract_cases(run, table.case_ids, outline=outline) for outline in OUTLINES]
    kept = []
    for name in table.names:
        if all(name not in row for row in outlined[1]) or "_uptake_" in name:
            kept.append(name)
            continue
        ratings = np.array([[row.get(name, math.nan) for row in rows] for rows in outlined], dtype=np.float64)
        if intraclass_correlation(ratings.T) >= run.settings.min_icc:
            kept.append(name)
    if not kept:
        raise TaskError(
            "task.min_icc",
            expected=f"features with an intraclass correlation of {run.settings.min_icc:g} or more",
            found="none",
            fix="Lower it",
        )
    return kept


def _given(run: Run[Settings], case_ids: Sequence[str]) -> list[dict[str, float]]:
    path = Path(run.settings.features)
    features = _read_once(path)
    check_cases(str(path), features, case_ids)
    return [dict(features[case_id]) for case_id in case_ids]
