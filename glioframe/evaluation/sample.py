"""The predictions of one group of cases, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glioframe.evaluation.rows import patient_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from glioframe.artifacts.prediction import PredictionRow


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Cases with a known reference.

    Attributes:
        patients: The patient of each case.
        reference: Whether each case is positive, (n,).
        probability: Of the positive class, (n,).
        calls: Whether each case reaches its own operating point, (n,).
        num_without_reference: Cases that were left out.
    """

    patients: tuple[str, ...]
    reference: NDArray[np.bool_]
    probability: NDArray[np.float64]
    calls: NDArray[np.bool_]
    num_without_reference: int

    @classmethod
    def from_rows(cls, rows: Sequence[PredictionRow]) -> Sample:
        """Takes the rows that have a reference, by case id; a case without a patient is its own patient."""
        known = sorted((row for row in rows if row.reference is not None), key=lambda row: row.case_id)
        return cls(
            patients=tuple(patient_of(row) for row in known),
            reference=np.array([row.reference == 1 for row in known], dtype=np.bool_),
            probability=np.array([row.probability for row in known], dtype=np.float64),
            calls=np.array([row.probability >= row.operating_point for row in known], dtype=np.bool_),
            num_without_reference=len(rows) - len(known),
        )

    @property
    def num_cases(self) -> int:
        """Cases with a known reference."""
        return len(self.patients)

    @property
    def num_patients(self) -> int:
        """Patients behind them."""
        return len(set(self.patients))

    @property
    def num_positive(self) -> int:
        """Positive cases."""
        return int(self.reference.sum())

    @property
    def num_negative(self) -> int:
        """Negative cases."""
        return self.num_cases - self.num_positive

    def num_patients_where(self, chosen: NDArray[np.bool_]) -> int:
        """Patients with at least one of the chosen cases (n,)."""
        return len({patient for patient, is_chosen in zip(self.patients, chosen, strict=True) if is_chosen})
