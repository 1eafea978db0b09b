"""What clinics do today: one number of the lesion, and a cut-off."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.artifacts.json_file import load_json, save_json
from glioframe.core.errors import TaskError
from glioframe.inference.lesion import load_lesion_image
from glioframe.inference.lesion_quantities import measure_lesion, pet_sources, quantity_names
from glioframe.task_api.task import CasePrediction, ReportSection, Requirements, Task
from glioframe.tasks.threshold_baseline.figure import values_png
from glioframe.tasks.threshold_baseline.rule import ThresholdRule, fit_rule
from glioframe.tasks.threshold_baseline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from glioframe.artifacts.case import PreprocessedCase
    from glioframe.artifacts.dataset import Target
    from glioframe.task_api.run import Run

_RULE = "rule.json"
_UPTAKE_MAX = ("tbr_max", "suv_max")


@final
class ThresholdBaseline(Task[Settings]):
    """Classifies a case by one quantity of its lesion; direction and cut-off are learned inside the training fold."""

    settings_type = Settings
    description = "class of a case from one quantity of its lesion and a cut-off (TBRmax, time to peak, slope, ...)"

    def requirements(self) -> Requirements:
        """A target and lesion labels. Which channel is needed depends on the quantity."""
        return Requirements(target=True, lesion_label=True)

    def check(self, run: Run[Settings]) -> None:
        """Refuses a target or a quantity that no rule can be learned for.

        Raises:
            TaskError: The target has more than two classes, or no channel has the quantity.
        """
        _require_two_classes(run.required_target)
        _chosen(run)

    def fit(self, run: Run[Settings]) -> None:
        """Measures the training cases and learns the rule."""
        _require_two_classes(run.required_target)
        if run.resume and _rule_path(run.folder).is_file():
            return
        quantity, channel = _chosen(run)
        classes = run.class_indices()
        measured = [
            (_measure(run, quantity, channel, case_id), classes[case_id])
            for case_id in run.progress.track(classes, step=f"measure fold {run.fold}", total=len(classes))
        ]
        values, reference = (np.array(part) for part in zip(*measured, strict=True))
        save_json(fit_rule(values, reference, quantity=quantity, channel=channel), _rule_path(run.folder))

    def predict(self, run: Run[Settings], case: PreprocessedCase) -> CasePrediction:
        """Measures the case and applies the rule; without the channel, the prevalence is all that is known."""
        rule = _load_rule(run)
        image = load_lesion_image(case, run.plan)
        value = measure_lesion(image, run.plan, run.dataset, source=rule.channel)[rule.quantity]
        positive = rule.probability(value)
        return CasePrediction(probabilities=(1 - positive, positive))

    def operating_point(self, run: Run[Settings]) -> float:
        """The probability at the cut-off."""
        return _load_rule(run).operating_point

    def report(self, runs: Sequence[Run[Settings]]) -> Sequence[ReportSection]:
        """The rule in words, and the values of all cases with the cut-offs of the folds."""
        rules = [_load_rule(run) for run in runs]
        quantity, channel, target = rules[0].quantity, rules[0].channel, runs[0].required_target
        # A case is a training case of all folds but one.
        classes = {case_id: index for run in runs for case_id, index in run.class_indices().items()}
        values = {case_id: _measure(runs[0], quantity, channel, case_id) for case_id in classes}
        by_class = {
            name: np.array([values[case_id] for case_id, its_class in classes.items() if its_class == index])
            for index, name in enumerate(target.classes)
        }
        rises = sum(rule.slope > 0 for rule in rules)
        direction = "High" if rises * 2 >= len(rules) else "Low"
        agreement = max(rises, len(rules) - rises)
        text = (
            f"{direction} {quantity} of {channel} speaks for {target.classes[-1]}, in {agreement} of {len(rules)} "
            "folds. "
            f"Cut-offs of the folds: {', '.join(f'{rule.cutoff:.3g}' for rule in rules)}. Direction, cut-off and "
            "probability were learned from the training cases of each fold alone."
        )
        caption = "Each point is a lesion; each dashed line is the cut-off of a fold."
        figure = values_png(by_class, [rule.cutoff for rule in rules], label=f"{quantity} of {channel}")
        return [ReportSection(title="One quantity and its cut-off", text=text, figures_png=((figure, caption),))]


def _measure(run: Run[Settings], quantity: str, channel: str, case_id: str) -> float:
    image = load_lesion_image(load_preprocessed_case(run.preprocessed_folder, case_id), run.plan)
    return measure_lesion(image, run.plan, run.dataset, source=channel)[quantity]


def _chosen(run: Run[Settings]) -> tuple[str, str]:
    """Quantity and raw channel to measure.

    Raises:
        TaskError: The plan has no channel to measure it in.
    """
    available = {source: quantity_names(run.plan, source=source) for source in pet_sources(run.plan)}
    if run.settings.channel:
        available = {source: names for source, names in available.items() if source == run.settings.channel}
    wanted = _UPTAKE_MAX if run.settings.quantity == "uptake_max" else (run.settings.quantity,)
    for quantity in wanted:
        for source, names in available.items():
            if quantity in names:
                return quantity, source
    listed = [f"{source}: {', '.join(names)}" for source, names in available.items()]
    raise TaskError(
        f"{run.dataset.name} for ThresholdBaseline",
        expected=f"a channel that {run.settings.quantity} can be measured in"
        + (f", called {run.settings.channel}" if run.settings.channel else ""),
        found="; ".join(listed) or "no such PET channel",
        fix="Choose one that can be measured, with --set task.quantity=NAME, or add the channel",
    )


def _require_two_classes(target: Target) -> None:
    if not target.is_binary:
        raise TaskError(
            f"target {target.name}",
            expected="two classes, which a cut-off divides",
            found=f"{len(target.classes)}",
            fix="Choose another target or another task",
        )


def _rule_path(folder: Path) -> Path:
    return folder / _RULE


def _load_rule(run: Run[Settings]) -> ThresholdRule:
    return load_json(ThresholdRule, _rule_path(run.folder))
