"""What every reader of prediction rows needs: which rows are usable, and which belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioframe.core.errors import PredictionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.cases import Split
    from glioframe.artifacts.prediction import PredictionRow

SPLITS: tuple[Split, ...] = ("train", "external")
CLASS_SEPARATOR = "="


def target_name(target: str) -> str:
    """``tumor_type=glioblastoma`` is one class of ``tumor_type``."""
    return target.partition(CLASS_SEPARATOR)[0]


def patient_of(row: PredictionRow) -> str:
    """The patient; a case without one is its own."""
    return row.subject_id or row.case_id


def refuse_unusable(rows: Sequence[PredictionRow]) -> None:
    """Refuses what cannot be evaluated.

    Raises:
        PredictionError: There is no row, or a model predicts a case twice.
    """
    if not rows:
        raise PredictionError(
            "predictions",
            expected="at least one row",
            found="none",
            fix="Predict first",
        )
    seen: set[tuple[str, str, str]] = set()
    for row in rows:
        key = (row.model, row.target, row.case_id)
        if key in seen:
            raise PredictionError(
                f"predictions of {row.model} for {row.target}",
                expected="one row per case",
                found=f"case {row.case_id} twice",
                fix="Give each file once; average several models into one row per case, or name them apart",
            )
        seen.add(key)
