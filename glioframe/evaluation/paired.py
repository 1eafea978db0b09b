"""The predictions of several models for the same cases, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from glioframe.core.errors import PredictionError
from glioframe.evaluation.delong import AucParts, auc_covariance, auc_parts
from glioframe.evaluation.permutation import swap_effects
from glioframe.evaluation.rows import patient_of, target_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from glioframe.artifacts.cases import Split
    from glioframe.artifacts.prediction import PredictionRow

_Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class PairedPredictions:
    """Models on the cases of one target and split. A binary target has one class, against the other.

    Attributes:
        target: Its name.
        split: Of the cases.
        models: In the order of the rows.
        cases: Case of each entry and class.
        patient_of_entry: For each class the number of each case's patient, (n,).
        references: For each class 1 or 0, (n,).
        probabilities: For each class, (models, n).
    """

    target: str
    split: Split
    models: tuple[str, ...]
    cases: tuple[tuple[str, ...], ...]
    patient_of_entry: tuple[NDArray[np.intp], ...]
    references: tuple[NDArray[np.bool_], ...]
    probabilities: tuple[NDArray[np.float64], ...]

    @classmethod
    def from_rows(cls, rows: Sequence[PredictionRow]) -> PairedPredictions:
        """Takes the rows of one target (with all its classes) and split; cases without a reference are left out.

        Raises:
            PredictionError: Two models differ in their cases, folds, patients or references.
        """
        by_model: dict[str, dict[_Key, PredictionRow]] = {}
        for row in rows:
            by_model.setdefault(row.model, {})[row.target, row.case_id] = row
        first = next(iter(by_model.values()))
        for own in by_model.values():
            _refuse_different(first, own)
        known = sorted(key for key, row in first.items() if row.reference is not None)
        patients = {name: number for number, name in enumerate(sorted({patient_of(first[key]) for key in known}))}
        of_class = [[key for key in known if key[0] == target] for target in dict.fromkeys(key[0] for key in known)]
        return cls(
            target=target_name(rows[0].target),
            split=rows[0].split,
            models=tuple(by_model),
            cases=tuple(tuple(case for _, case in keys) for keys in of_class),
            patient_of_entry=tuple(np.array([patients[patient_of(first[key])] for key in keys]) for keys in of_class),
            references=tuple(np.array([first[key].reference == 1 for key in keys]) for keys in of_class),
            probabilities=tuple(
                np.array([[own[key].probability for key in keys] for own in by_model.values()]) for keys in of_class
            ),
        )

    @property
    def is_comparable(self) -> bool:
        """Whether every class has cases of it and cases of the rest."""
        return bool(self.references) and all(0 < y.sum() < y.size for y in self.references)

    @property
    def num_cases(self) -> int:
        """Cases with a known reference."""
        return len({case for cases in self.cases for case in cases})

    @property
    def num_patients(self) -> int:
        """Patients behind them."""
        return int(max(patients.max() for patients in self.patient_of_entry)) + 1

    def aucs(self) -> NDArray[np.float64]:
        """The AUC of each model, averaged over the classes; (models,)."""
        of_class = np.array([[part.auc for part in parts] for parts in self._parts()], dtype=np.float64)
        averaged: NDArray[np.float64] = of_class.mean(axis=1)
        return averaged

    def covariance(self) -> NDArray[np.float64] | None:
        """Of the AUCs, (models, models); None with fewer than two patients in a class."""
        whole = auc_covariance([part for parts in self._parts() for part in parts])
        if whole is None:
            return None
        num_models, num_classes = len(self.models), len(self.references)
        averaged: NDArray[np.float64] = whole.reshape(num_models, num_classes, num_models, num_classes).mean(
            axis=(1, 3)
        )
        return averaged

    def swap_effects(self, first: int, second: int) -> NDArray[np.float64]:
        """Of swapping two models patient by patient, averaged over the classes; (patients,)."""
        effects = np.zeros(self.num_patients)
        for y, p, patients in zip(self.references, self.probabilities, self.patient_of_entry, strict=True):
            effects += swap_effects(y, p[first], p[second], patients, num_patients=self.num_patients)
        return effects / len(self.references)

    def _parts(self) -> list[list[AucParts]]:
        """By model and class."""
        entries = list(zip(self.references, self.probabilities, self.patient_of_entry, strict=True))
        return [
            [auc_parts(y, p[model], patients, num_patients=self.num_patients) for y, p, patients in entries]
            for model in range(len(self.models))
        ]


def _refuse_different(first: dict[_Key, PredictionRow], own: dict[_Key, PredictionRow]) -> None:
    if own is first:
        return
    one, two = next(iter(first.values())).model, next(iter(own.values())).model
    for key in sorted(first.keys() | own.keys()):
        found = [_facts(rows[key]) if key in rows else "no such row" for rows in (first, own)]
        if found[0] != found[1]:
            target, case = key
            raise PredictionError(
                f"predictions of {one} and {two} for {target}",
                expected="the same cases with equal fold, patient, split and reference, so that only the models differ",
                found=f"case {case} with {found[0]} for {one}, {found[1]} for {two}",
                fix="Predict both with the same folds of the same dataset",
            )


def _facts(row: PredictionRow) -> str:
    fold = "all folds" if row.fold is None else f"fold {row.fold}"
    reference = "no reference" if row.reference is None else f"reference {row.reference}"
    return f"{fold}, patient {patient_of(row)}, {row.split}, {reference}"
