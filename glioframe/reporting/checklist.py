"""A first draft of the reporting checklists, filled with what the run knows.

TRIPOD+AI (G. S. Collins et al., BMJ 385 (2024) e078378) and METRICS (B. Kocak et al., Insights Imaging 15 (2024) 8)
are cited by item; CLAIM (A. S. Tejani et al., Radiol. Artif. Intell. 6 (2024) e240300) asks for the same under its own
headings. What only the authors can know is left to them, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glioframe.core.provenance import glioframe_version
from glioframe.evaluation.resolution import resolvable_in_words
from glioframe.evaluation.wording import count
from glioframe.reporting.wording import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glioframe.artifacts.dataset import DatasetDescription
    from glioframe.artifacts.evaluation import EvaluationGroup
    from glioframe.artifacts.fingerprint import Fingerprint
    from glioframe.artifacts.plan import Plan
    from glioframe.reporting.benchmark_content import BenchmarkContent

TO_WRITE = "To be written by the authors."


@dataclass(frozen=True, kw_only=True, slots=True)
class ChecklistItem:
    """One thing that a paper should report.

    Attributes:
        topic: In a few words.
        guidelines: Where it is asked for.
        answer: What the run says about it; empty where only the authors know.
        ask: What the authors should add.
    """

    topic: str
    guidelines: str
    answer: str = ""
    ask: str = ""


def draft_checklist(content: BenchmarkContent) -> tuple[ChecklistItem, ...]:
    """The items, in the order of a paper."""
    return (
        *_on_data(content.fingerprint, content.description, content),
        *_on_methods(content.plan, content),
        *_on_results(content),
        *_on_openness(content),
    )


def checklist_markdown(items: Sequence[ChecklistItem]) -> str:
    """The draft as a table to paste into a manuscript's supplement."""
    filled = sum(bool(item.answer) for item in items)
    lines = [
        "# Reporting checklist, a draft",
        "",
        f"{filled} of {len(items)} items are filled from the run; the rest is for the authors. Check each answer.",
        "",
        "| Topic | Guideline items | From the run | Left to the authors |",
        "| --- | --- | --- | --- |",
        *(
            f"| {item.topic} | {item.guidelines} | {item.answer.replace('|', '/')} | "
            f"{item.ask or ('' if item.answer else TO_WRITE)} |"
            for item in items
        ),
    ]
    return "\n".join(lines) + "\n"


def _on_data(
    fingerprint: Fingerprint, description: DatasetDescription, content: BenchmarkContent
) -> Iterator[ChecklistItem]:
    target = description.target(content.target)
    classes = fingerprint.class_counts.get(content.target, {})
    channels = ", ".join(
        f"{entry.channel.name} ({entry.num_present} of {len(fingerprint.cases)} cases)"
        for entry in fingerprint.channels
    )
    external = [group for group in content.evaluation.groups if group.split == "external" and not group.site]
    yield ChecklistItem(topic="Title and abstract", guidelines="TRIPOD+AI 1, 2; CLAIM title, abstract")
    yield ChecklistItem(topic="Clinical background and intended use", guidelines="TRIPOD+AI 3, 4; CLAIM introduction")
    yield ChecklistItem(
        topic="Source of data",
        guidelines="TRIPOD+AI 5; METRICS 4",
        answer=f"{description.description or description.name}. Sites: "
        + ", ".join(f"{name or 'unknown'} ({number})" for name, number in fingerprint.site_counts.items())
        + ".",
        ask="Dates of acquisition; prospective or retrospective.",
    )
    yield ChecklistItem(
        topic="Eligibility and flow of participants", guidelines="TRIPOD+AI 6, 20; METRICS 2; CLAIM study population"
    )
    yield ChecklistItem(
        topic="Imaging protocol",
        guidelines="METRICS 6; CLAIM data",
        answer=f"Channels: {channels}."
        + (
            f" Dynamic PET read by protocol {content.plan.dynamic_pet.protocol.name}."
            if content.plan.dynamic_pet
            else ""
        ),
        ask="Scanners, reconstruction, injected activity, sequence parameters.",
    )
    yield ChecklistItem(
        topic="Outcome and reference standard",
        guidelines="TRIPOD+AI 8; METRICS 3",
        answer=f"{plain(target.name)}: {target.description or 'no description in dataset.json'}. Classes "
        f"{', '.join(plain(name) for name in target.classes)}; the last is positive.",
        ask="How, by whom, and how long after imaging the label was established; blinding.",
    )
    yield ChecklistItem(
        topic="Lesion segmentation",
        guidelines="METRICS (segmentation, where used); CLAIM reference standard",
        answer=f"Labels for {sum(case.lesion_volume_ml is not None for case in fingerprint.cases)} of "
        f"{len(fingerprint.cases)} training cases.",
        ask="Who segmented, with which tool, and inter-rater agreement.",
    )
    yield ChecklistItem(
        topic="Sample size",
        guidelines="TRIPOD+AI 10; METRICS (sample size)",
        answer=f"{count(len(fingerprint.cases), 'training case')} of {count(fingerprint.num_subjects, 'subject')}; "
        + ", ".join(f"{plain(name) or 'unknown'} {number}" for name, number in classes.items())
        + ". "
        + _resolvable(content),
        ask="How the number came about.",
    )
    yield ChecklistItem(
        topic="Missing data",
        guidelines="TRIPOD+AI 11",
        answer="Absent channels are recorded per case and trained with, never filled in for networks; cases of unknown "
        f"outcome are left out ({classes.get('', 0)}).",
    )
    yield ChecklistItem(
        topic="External validation",
        guidelines="TRIPOD+AI 16; METRICS (external testing)",
        answer=f"{external[0].num_cases} cases of split external, never seen in training or planning."
        if external
        else "None: all figures are cross-validated.",
    )


def _on_methods(plan: Plan, content: BenchmarkContent) -> Iterator[ChecklistItem]:
    models = ", ".join(row.name for row in content.matrix.rows)
    networks = [configuration.network.in_words for configuration in plan.configurations.values()]
    yield ChecklistItem(
        topic="Data preparation",
        guidelines="TRIPOD+AI 7; METRICS 11",
        answer="; ".join(
            f"{channel.name}: {channel.recipe.replace('_', ' ')}, {channel.normalization.scheme.replace('_', ' ')}"
            for channel in plan.channels
        )
        + ". "
        + "; ".join(
            f"{name} at {' x '.join(f'{edge:g}' for edge in configuration.spacing_mm)} mm (z, y, x)"
            for name, configuration in plan.configurations.items()
        )
        + ".",
    )
    yield ChecklistItem(
        topic="Models and baselines", guidelines="TRIPOD+AI 12; METRICS (non-radiomic baselines)", answer=f"{models}."
    )
    yield ChecklistItem(
        topic="Network architecture and training",
        guidelines="TRIPOD+AI 12, 22; CLAIM model, training",
        answer=f"{'; '.join(networks)}. Every value and its reason stand in plans.json.",
    )
    yield ChecklistItem(
        topic="Partition of the data",
        guidelines="TRIPOD+AI 12, 16; METRICS 18; CLAIM data partitions",
        answer=f"{_partition(content)} Every model used the same folds (SHA-256 "
        f"{', '.join(text[:12] for text in content.splits_hashes)}).",
    )
    yield ChecklistItem(
        topic="Leakage",
        guidelines="TRIPOD+AI 12; METRICS (feature selection inside the folds)",
        answer="Whole subjects are on one side of each fold. Normalization over cases, harmonization, selection of "
        "features, hyperparameters, calibration and operating points are learned inside the training folds.",
    )
    yield ChecklistItem(
        topic="Class imbalance",
        guidelines="TRIPOD+AI 13",
        answer="Networks draw every class equally often in training; the evaluation keeps the cohort's shares.",
    )
    yield ChecklistItem(topic="Fairness", guidelines="TRIPOD+AI 14", ask="Subgroups by sex, age, ethnicity.")
    yield ChecklistItem(
        topic="Model output",
        guidelines="TRIPOD+AI 15",
        answer="A probability per class; a case is called positive from an operating point on that each training "
        "fold sets for itself.",
    )
    yield ChecklistItem(
        topic="Performance measures and uncertainty",
        guidelines="TRIPOD+AI 12; METRICS 21, 22; CLAIM evaluation",
        answer="AUC, sensitivity, specificity, precision, Brier score, calibration and net benefit; 95 % intervals "
        "resample patients. Models are compared on the same cases by DeLong's paired test and by permutation, with "
        "Holm's correction.",
    )
    yield ChecklistItem(topic="Ethical approval and consent", guidelines="TRIPOD+AI 17")


def _on_results(content: BenchmarkContent) -> Iterator[ChecklistItem]:
    groups = [group for group in content.evaluation.groups if not group.site]
    yield ChecklistItem(
        topic="Performance",
        guidelines="TRIPOD+AI 23; CLAIM results",
        answer="; ".join(_performance(group) for group in groups) + ".",
    )
    sites = sorted({group.site for group in content.evaluation.groups if group.site})
    yield ChecklistItem(
        topic="Heterogeneity between sites",
        guidelines="TRIPOD+AI 23; METRICS 4",
        answer=f"Per site in the report: {', '.join(sites)}." if sites else "One site.",
    )
    yield ChecklistItem(
        topic="Comparison with current practice",
        guidelines="METRICS (comparison with non-radiomic approaches)",
        answer=content.conclusion,
    )
    yield ChecklistItem(topic="Interpretation", guidelines="TRIPOD+AI 25; CLAIM discussion")
    yield ChecklistItem(
        topic="Limitations",
        guidelines="TRIPOD+AI 26",
        answer=" ".join(dict.fromkeys(remark for group in groups for remark in group.remarks))
        + (" This was a smoke run: networks were trained for a few steps only." if content.is_quick else ""),
        ask="Everything that the data cannot show.",
    )
    yield ChecklistItem(topic="Usability in care, next steps", guidelines="TRIPOD+AI 27")


def _on_openness(content: BenchmarkContent) -> Iterator[ChecklistItem]:
    versions = {name: content.environment[name] for name in ("python", "torch") if name in content.environment}
    yield ChecklistItem(topic="Funding, conflicts, protocol, registration", guidelines="TRIPOD+AI 18a-18d")
    yield ChecklistItem(topic="Availability of data", guidelines="TRIPOD+AI 18e; METRICS (open science)")
    yield ChecklistItem(
        topic="Availability of code",
        guidelines="TRIPOD+AI 18f; METRICS (open science)",
        answer=f"glioframe {glioframe_version()}, "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + "; plan, folds, settings, seeds and hashes lie beside the results.",
        ask="Where the trained weights are.",
    )
    yield ChecklistItem(topic="Involvement of patients and public", guidelines="TRIPOD+AI 19")


def _performance(group: EvaluationGroup) -> str:
    auc = group.metrics.auc
    between = f" ({auc.ci95[0]:.2f} to {auc.ci95[1]:.2f})" if auc.ci95 else ""
    split = "external" if group.split == "external" else "cross-validated"
    value = "undefined" if auc.value is None else f"{auc.value:.2f}"
    return f"{group.model}, {plain(group.target)}, {split}: AUC {value}{between}, n = {group.num_cases}"


def _partition(content: BenchmarkContent) -> str:
    if content.split_policy == "leave_one_site_out":
        return f"Each of {content.num_folds} sites was left out in turn."
    times = len(content.splits_hashes)
    repeated = f", repeated {times} times with other folds" if times > 1 else ""
    return f"Cross-validation in {content.num_folds} folds by subject, stratified by the targets{repeated}."


def _resolvable(content: BenchmarkContent) -> str:
    smallest = [each.detectable_difference for each in content.comparisons if each.detectable_difference is not None]
    if not smallest:
        return ""
    size = resolvable_in_words(smallest)
    if not size:
        return "With a power of 80 %, so many cases cannot tell any two models apart."
    return f"Two models must differ by an AUC of {size} to be told apart with a power of 80 % in this many cases."
