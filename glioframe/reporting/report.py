"""One self-contained HTML file that tells a reader what was found and whether to believe it.

The page holds its pictures and styles, no script, and a content policy that forbids the browser any request: it
opens on a machine without a network and says the same in ten years.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glioframe.artifacts.plan import plan_hash
from glioframe.core.files import write_text_atomically
from glioframe.reporting.gallery import MOST_CARDS, cards_of
from glioframe.reporting.page import page_template
from glioframe.reporting.questions import questions_in
from glioframe.reporting.results import results_of
from glioframe.reporting.summary import configuration_lines, dataset_summary, provenance_lines, reason_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from glioframe.artifacts.dataset import DatasetDescription
    from glioframe.artifacts.evaluation import Evaluation
    from glioframe.artifacts.fingerprint import Fingerprint
    from glioframe.artifacts.plan import Plan
    from glioframe.artifacts.prediction import PredictionRow
    from glioframe.core.provenance import Provenance
    from glioframe.reporting.results import Result
    from glioframe.task_api.task import ReportSection


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """Everything that a report may tell; what is absent is left out of the page.

    Attributes:
        title: The heading.
        rows: The predictions.
        evaluation: Their metrics.
        plan: For the reasons and the pictures.
        configuration_name: Of the plan; empty for none.
        fingerprint: For the dataset's summary.
        description: For the names of targets and classes.
        environment: Versions and machine, by name.
        preprocessed_folder: Where the preprocessed cases are, for the pictures.
        splits_hash: Of the folds.
        sections: What the task adds.
        notices: What stands above everything, e.g. that the cases are simulated.
    """

    title: str
    rows: Sequence[PredictionRow]
    evaluation: Evaluation
    plan: Plan | None = None
    configuration_name: str = ""
    fingerprint: Fingerprint | None = None
    description: DatasetDescription | None = None
    environment: Mapping[str, str]
    preprocessed_folder: Path | None = None
    splits_hash: str = ""
    sections: Sequence[ReportSection] = ()
    notices: Sequence[str] = ()


def write_report(content: ReportContent, path: Path) -> None:
    """Writes the report to ``path``, atomically; equal content gives equal bytes."""
    write_text_atomically(path, render_report(content))


def render_report(content: ReportContent) -> str:
    """The page as text."""
    results = results_of(questions_in(content.rows, content.description), content.evaluation)
    plan = content.plan
    configuration = plan.configuration(content.configuration_name) if plan and content.configuration_name else None
    fingerprint = content.fingerprint
    return page_template("report.html.j2").render(
        content=content,
        results=results,
        galleries=_galleries(content, results),
        most_cards=MOST_CARDS,
        target_descriptions={t.name: t.description for t in content.description.targets} if content.description else {},
        dataset=dataset_summary(fingerprint) if fingerprint else None,
        configuration=configuration_lines(configuration, plan) if configuration and plan else [],
        reasons=reason_lines(plan, configuration) if plan else [],
        sections=[_section(section) for section in content.sections],
        origins=provenance_lines(_origins(content)),
        plan_hash=plan_hash(plan) if plan else "",
    )


def _galleries(content: ReportContent, results: Sequence[Result]) -> list[object]:
    most = max(1, MOST_CARDS // max(1, len(results)))
    return [
        cards_of(
            result.answers,
            plan=content.plan,
            fingerprint=content.fingerprint,
            preprocessed_folder=content.preprocessed_folder,
            most=most,
            name=f"cards-{index}",
        )
        for index, result in enumerate(results)
    ]


def _section(section: ReportSection) -> dict[str, object]:
    pictures = [
        (f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}", caption)
        for png, caption in section.figures_png
    ]
    return {"title": section.title, "text": section.text, "pictures": pictures}


def _origins(content: ReportContent) -> list[tuple[str, Provenance]]:
    named = [("Metrics", content.evaluation.provenance)]
    if content.plan:
        named.append(("Plan", content.plan.provenance))
    if content.fingerprint:
        named.append(("Fingerprint", content.fingerprint.provenance))
    return named
