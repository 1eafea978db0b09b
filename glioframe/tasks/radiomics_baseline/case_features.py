"""All features of cases: extracted in parallel, or taken from the cache when nothing changed."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import ndimage

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.artifacts.json_file import STRICT, load_json, save_json, to_json
from glioframe.core.errors import ArtifactError
from glioframe.core.files import sha256_of_text
from glioframe.imaging.parallel import for_each_case
from glioframe.inference.lesion import load_lesion_image
from glioframe.inference.lesion_quantities import measure_lesion, pet_sources
from glioframe.tasks.radiomics_baseline.extraction import (
    VERSION,
    gray_level_features,
    is_measurable,
    library,
    resampled,
    shape_features,
)
from glioframe.tasks.radiomics_baseline.extraction_settings import ExtractionSettings, extraction_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from glioframe.artifacts.case import PreprocessedCase
    from glioframe.artifacts.dataset import DatasetDescription
    from glioframe.artifacts.plan import Plan
    from glioframe.inference.lesion import LesionImage
    from glioframe.task_api.run import Run
    from glioframe.tasks.radiomics_baseline.settings import Settings

OUTLINES = ("", "eroded", "dilated")
"""The outline as drawn, and one voxel less and more."""

_MOST_WORKERS = 8
_FEWEST_PER_WORKER = 4
"""A worker takes seconds to start."""


@dataclass(frozen=True, kw_only=True)
class _How:
    settings: ExtractionSettings
    plan: Plan
    dataset: DatasetDescription
    outline: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _CachedFeatures:
    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    features: dict[str, float | None]


def settings_of(run: Run[Settings]) -> ExtractionSettings:
    """The extraction settings of a run."""
    return extraction_settings(
        run.settings, run.plan, run.configuration, run.dataset.labels, library=library(), version=VERSION
    )


def extract_cases(
    run: Run[Settings],
    case_ids: Sequence[str],
    *,
    outline: str = "",
    seen: Sequence[PreprocessedCase] | None = None,
) -> list[dict[str, float]]:
    """Features of preprocessed cases by name, in the order of the cases.

    Args:
        run: Names the folder of the cases, plan and settings.
        case_ids: The cases.
        outline: One of :data:`OUTLINES`.
        seen: The same cases as the caller has them, maybe with channels hidden; None for what is in the folder.

    Raises:
        PredictionError: A case has no lesion.
    """
    cases = seen or [load_preprocessed_case(run.preprocessed_folder, case_id) for case_id in case_ids]
    how = _How(settings=settings_of(run), plan=run.plan, dataset=run.dataset, outline=outline)
    work = partial(_cached, how=how, folder=run.cache_folder)
    wanted = run.settings.num_workers or min(os.cpu_count() or 1, _MOST_WORKERS)
    missing = [case for case in cases if not _cache_path(case, how, run.cache_folder).is_file()]
    workers = max(1, min(wanted, len(missing) // _FEWEST_PER_WORKER))
    step = f"extract features{' ' if outline else ''}{outline}"
    if missing:
        for_each_case(work, missing, num_workers=workers, progress=run.progress, step=step)
    return [work(case) for case in cases]


def features_of(
    image: LesionImage, settings: ExtractionSettings, plan: Plan, dataset: DatasetDescription, *, outline: str = ""
) -> dict[str, float]:
    """All features of one lesion; NaN for absent channels and for regions too small to measure."""
    features: dict[str, float] = {}
    for source in pet_sources(plan):
        values = measure_lesion(image, plan, dataset, source=source)
        features |= {f"{source}_uptake_{name}": value for name, value in values.items()}
    for region, labels in settings.regions.items():
        suffix = "" if region == "lesion" else f"@{region}"
        mask = _outlined(np.isin(image.label, labels), outline)
        found = _region_features(image, mask, settings)
        features |= {f"{name}{suffix}": value for name, value in found.items()}
    return features


def _region_features(image: LesionImage, mask: NDArray[np.bool_], settings: ExtractionSettings) -> dict[str, float]:
    channels, spacing_mm = dict(image.channels), image.spacing_mm
    if settings.is_resampled and is_measurable(mask) and channels:
        channels, mask = resampled(
            channels,
            mask,
            spacing_mm=spacing_mm,
            to_mm=settings.spacing_mm,
            interpolation={name: how.interpolation for name, how in settings.channels.items()},
        )
        spacing_mm = (settings.spacing_mm,) * 3
    if not is_measurable(mask):
        return {}
    features = {f"lesion_{name}": value for name, value in shape_features(mask, spacing_mm=spacing_mm).items()}
    for channel, values in channels.items():
        found = gray_level_features(values, mask, spacing_mm=spacing_mm, how=settings.channels[channel])
        features |= {f"{channel}_{name}": value for name, value in found.items()}
    return features


def _outlined(mask: NDArray[np.bool_], outline: str) -> NDArray[np.bool_]:
    if not outline:
        return mask
    change = {"eroded": ndimage.binary_erosion, "dilated": ndimage.binary_dilation}[outline]
    changed: NDArray[np.bool_] = change(mask)
    return changed


def _cached(case: PreprocessedCase, *, how: _How, folder: Path) -> dict[str, float]:
    path = _cache_path(case, how, folder)
    try:
        stored = load_json(_CachedFeatures, path).features
    except ArtifactError:
        image = load_lesion_image(case, how.plan)
        features = features_of(image, how.settings, how.plan, how.dataset, outline=how.outline)
        stored = {name: value if math.isfinite(value) else None for name, value in features.items()}
        save_json(_CachedFeatures(features=stored), path)
    return {name: math.nan if value is None else value for name, value in stored.items()}


def _cache_path(case: PreprocessedCase, how: _How, folder: Path) -> Path:
    """Named by all that decides the features: how they are computed, and the preprocessed images and outline."""
    content = {
        "extraction": json.loads(to_json(how.settings)),
        "protocol": how.dataset.protocol,
        "preprocessed": case.properties.preprocessing_hash,
        "channels_present": case.properties.channels_present,
        "outline": how.outline,
    }
    digest = sha256_of_text(json.dumps(content, sort_keys=True))
    return folder / "radiomics" / f"{case.case_id}_{digest[:16]}.json"
