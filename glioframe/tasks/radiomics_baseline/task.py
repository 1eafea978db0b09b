"""Hand-crafted features and a classifier of tables: what a network has to beat."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from glioframe.core.seeds import derive_seed
from glioframe.task_api.task import CasePrediction, ReportSection, Requirements, Task
from glioframe.tasks.radiomics_baseline.case_features import settings_of
from glioframe.tasks.radiomics_baseline.explanation import explain
from glioframe.tasks.radiomics_baseline.figures import cases_png, importance_png
from glioframe.tasks.radiomics_baseline.model import fit_model
from glioframe.tasks.radiomics_baseline.run_table import check_table, feature_table, stable_columns
from glioframe.tasks.radiomics_baseline.settings import Settings
from glioframe.tasks.radiomics_baseline.stored_model import (
    is_stored,
    load_description,
    load_model,
    save_model,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.case import PreprocessedCase
    from glioframe.task_api.run import Run

_IMPORTANCE = (
    "The features that moved held-out cases most, over all folds. Names are channel, class and feature; color is the "
    "feature's value against the training cases."
)
_EXAMPLE_CASES = (
    "The held-out cases with the highest, the middle and the lowest probability, and the features that moved them "
    "most, with their values in standard deviations of the training cases."
)


@final
class RadiomicsBaseline(Task[Settings]):
    """Classifies a case by radiomic features of its lesion, uptake measures and covariates."""

    settings_type = Settings
    description = "class of a case from radiomic features, uptake measures and covariates, by a tuned classifier"

    def requirements(self) -> Requirements:
        """A target and lesion labels."""
        return Requirements(target=True, lesion_label=True)

    def check(self, run: Run[Settings]) -> None:
        """Refuses settings that the plan, a given table or the covariates do not suit."""
        check_table(run, list(run.class_indices()))

    def fit(self, run: Run[Settings]) -> None:
        """Extracts, tunes in inner folds, calibrates and fits."""
        if run.resume and is_stored(run.folder):
            return
        classes = run.class_indices()
        table = feature_table(run, list(classes))
        if run.settings.min_icc > 0 and not run.settings.features:
            table = table.columns(stable_columns(run, table))
        seed = derive_seed(run.configuration.training.seed, "radiomics_baseline", run.fold)
        targets = np.array([classes[case_id] for case_id in table.case_ids], dtype=np.int64)
        model = fit_model(table, targets, run.settings, seed=seed, progress=run.progress)
        extraction = None if run.settings.features else settings_of(run)
        save_model(model, table, targets, run.folder, settings=run.settings, extraction=extraction, seed=seed)

    def predict(self, run: Run[Settings], case: PreprocessedCase) -> CasePrediction:
        """Extracts what the model was fitted to, and applies it."""
        trained = load_model(run.folder)
        table = feature_table(run, [case.case_id], names=trained.training.names, seen=[case])
        return CasePrediction(probabilities=tuple(trained.model.probabilities(table)[0].tolist()))

    def operating_point(self, run: Run[Settings]) -> float:
        """Chosen on the held-out rows of the inner folds."""
        return load_description(run.folder).operating_point

    def report(self, runs: Sequence[Run[Settings]]) -> Sequence[ReportSection]:
        """What was chosen, which features counted, and why three cases came out as they did."""
        positive = runs[0].required_target.classes[-1]
        explanations, probability = [], {}
        for run in runs:
            trained = load_model(run.folder)
            table = feature_table(run, [case.case_id for case in run.val_cases], names=trained.training.names)
            explanations.append(explain(trained, table, run.settings.classifier))
            for case_id, row in zip(table.case_ids, trained.model.probabilities(table), strict=True):
                probability[case_id] = (float(row[-1]), explanations[-1])
        ordered = sorted(probability, key=lambda case_id: probability[case_id][0])
        chosen = list(dict.fromkeys([ordered[-1], ordered[len(ordered) // 2], ordered[0]]))
        examples = [(case_id, *probability[case_id]) for case_id in chosen]
        pictures = (
            (importance_png(explanations, positive=positive), _IMPORTANCE),
            (cases_png(examples, positive=positive), _EXAMPLE_CASES),
        )
        return [ReportSection(title="What the radiomics baseline looked at", text=_summary(runs), figures_png=pictures)]


def _summary(runs: Sequence[Run[Settings]]) -> str:
    stored = [load_description(run.folder) for run in runs]
    settings = stored[0].settings
    tuned = "; ".join(
        ", ".join(f"{name} {value:g}" for name, value in sorted(each.parameters.items())) for each in stored
    )
    source = f"the table {Path(settings.features).name}" if settings.features else "PyRadiomics and uptake measures"
    sites = "harmonized between sites by ComBat" if settings.harmonize == "combat" else "not harmonized between sites"
    return (
        f"Classifier: {settings.classifier}. Features: {source}, {sites}. Filters, selection, tuning, calibration and "
        f"the operating point were learned inside each training fold. Chosen there, by fold: {tuned}. A feature that "
        "counts here is not thereby a cause."
    )
