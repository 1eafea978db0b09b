"""From the rows' predictions to one table, paired tests, metrics and a page."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from glioframe.artifacts.evaluation import save_evaluation
from glioframe.artifacts.prediction import load_predictions, save_predictions
from glioframe.core.files import sha256_of_file, write_text_atomically
from glioframe.core.provenance import Provenance
from glioframe.evaluation.compare import compare
from glioframe.evaluation.evaluate import evaluate
from glioframe.pipeline.benchmark_table import write_comparisons, write_table
from glioframe.pipeline.environment import describe_environment
from glioframe.pipeline.notices import notices_for
from glioframe.pipeline.preprocessed_folder import PreprocessedFolder
from glioframe.reporting.benchmark_content import BenchmarkContent
from glioframe.reporting.benchmark_report import render_benchmark
from glioframe.reporting.checklist import checklist_markdown, draft_checklist

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.artifacts.benchmark import BenchmarkRow, RowOutcome
    from glioframe.artifacts.prediction import PredictionRow
    from glioframe.core.progress import Progress
    from glioframe.pipeline.benchmark_setup import Benchmark

COMMAND = "glioframe_benchmark"
ALL_CHANNELS = "all channels"


def summarize(benchmark: Benchmark, outcomes: Sequence[RowOutcome], *, progress: Progress) -> None:
    """Writes every file of the benchmark but the rows' own."""
    folder, request = benchmark.folder, benchmark.request
    done = [row for row, outcome in zip(request.matrix.rows, outcomes, strict=True) if outcome.status == "done"]
    rows = [each for row in done for each in _averaged(_predictions(benchmark, row))]
    save_predictions(rows, folder.predictions_path)
    progress.note(f"Comparing {len(done)} models on {len({row.case_id for row in rows})} cases.")
    provenance = Provenance(command=COMMAND, inputs={"predictions.tsv": sha256_of_file(folder.predictions_path)})
    evaluation = evaluate(rows, num_resamples=request.num_resamples, provenance=provenance)
    save_evaluation(evaluation, folder.metrics_path)
    reference = request.matrix.reference if request.matrix.reference in {row.name for row in done} else None
    comparisons = compare(rows, reference_model=reference)
    write_table(folder.table_path, request.matrix, outcomes, evaluation)
    write_comparisons(folder.comparisons_path, comparisons)
    subset_rows = [each for row in done if row.hide_channels for each in _averaged(_subset_predictions(benchmark, row))]
    subsets = evaluate(subset_rows, num_resamples=request.num_resamples) if subset_rows else None
    if subset_rows:
        save_predictions(subset_rows, folder.channel_subsets_path)
    preprocessed = PreprocessedFolder.of(benchmark.workspace, benchmark.dataset.folder.name)
    content = BenchmarkContent(
        title=f"{benchmark.target}: {len(done)} models compared on {benchmark.dataset.description.name}",
        target=benchmark.target,
        matrix=request.matrix,
        outcomes=tuple(outcomes),
        rows=rows,
        evaluation=evaluation,
        comparisons=tuple(comparisons),
        channel_subsets=subsets,
        splits_hashes=benchmark.splits_hashes,
        num_folds=len(benchmark.folds[0]),
        split_policy=request.split_policy,
        is_quick=request.quick,
        plan=preprocessed.plan(),
        fingerprint=preprocessed.fingerprint(),
        description=benchmark.dataset.description,
        environment=describe_environment(),
        notices=notices_for(benchmark.dataset.description),
    )
    checklist = draft_checklist(content)
    write_text_atomically(folder.checklist_path, checklist_markdown(checklist))
    write_text_atomically(folder.report_path, render_benchmark(content, checklist))


def _predictions(benchmark: Benchmark, row: BenchmarkRow) -> list[PredictionRow]:
    folders = [benchmark.folder.row_folder(row, repetition) for repetition in range(len(benchmark.folds))]
    return [each for folder in folders for each in load_predictions(folder.predictions_path)]


def _subset_predictions(benchmark: Benchmark, row: BenchmarkRow) -> list[PredictionRow]:
    folders = [benchmark.folder.row_folder(row, repetition) for repetition in range(len(benchmark.folds))]
    return [each for folder in folders for each in load_predictions(folder.channel_subsets_path)]


def _averaged(rows: Sequence[PredictionRow]) -> list[PredictionRow]:
    """One row per case: the mean over repetitions, of the probability and of the operating point.

    The spread is that of a member of any repetition: within and between repetitions.
    """
    of_case: defaultdict[tuple[str, str, str], list[PredictionRow]] = defaultdict(list)
    for row in rows:
        of_case[row.model, row.target, row.case_id].append(row)
    averaged = []
    for same in of_case.values():
        mean = fmean(row.probability for row in same)
        variance = fmean(row.std**2 + (row.probability - mean) ** 2 for row in same)
        averaged.append(
            replace(
                same[0],
                probability=mean,
                std=variance**0.5,
                operating_point=fmean(row.operating_point for row in same),
                fold=same[0].fold if len(same) == 1 else None,
            )
        )
    return averaged
