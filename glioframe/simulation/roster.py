"""Who is in the cohort: every patient's class, site and traits, before any image is made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glioframe.artifacts.cases import Case, Split
from glioframe.core.seeds import derive_seed
from glioframe.simulation.sites import EXTERNAL_SITE, TRAINING_SITES, Site
from glioframe.simulation.traits import CLASSES, LesionTraits, PatientTraits, sample_lesion, sample_patient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glioframe.simulation.settings import CohortSettings

TARGET = "recurrence"


@dataclass(frozen=True, kw_only=True, slots=True)
class Patient:
    """One patient with one visit.

    Attributes:
        case: The row of cases.tsv, with the recorded class.
        site: Where the patient is scanned.
        true_class: What the lesion really is; the images follow this.
        traits: The patient's own variation.
        lesion: The lesion's.
        has_flair: Whether the FLAIR was acquired.
        seed: Of the patient's images.
    """

    case: Case
    site: Site
    true_class: str
    traits: PatientTraits
    lesion: LesionTraits
    has_flair: bool
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """A place in the cohort that a patient is drawn for."""

    split: Split
    index: int
    site: Site
    true_class: str


def draw_roster(settings: CohortSettings) -> list[Patient]:
    """All patients, training cases first. A longer cohort starts with the same patients."""
    places = [
        *_places(settings, "train", settings.num_cases, TRAINING_SITES),
        *_places(settings, "external", settings.num_external, (EXTERNAL_SITE,)),
    ]
    classes = _noise_labels(settings, places) if settings.noise_labels else [place.true_class for place in places]
    return [_patient(settings, place, recorded) for place, recorded in zip(places, classes, strict=True)]


def _places(settings: CohortSettings, split: Split, count: int, sites: Sequence[Site]) -> list[_Place]:
    """Every pair of site and class equally often, in shuffled blocks."""
    pairs = [(site, true_class) for site in sites for true_class in CLASSES]
    drawn: list[tuple[Site, str]] = []
    while len(drawn) < count:
        rng = np.random.default_rng(derive_seed(settings.seed, "roster", split, len(drawn)))
        drawn += [pairs[index] for index in rng.permutation(len(pairs))]
    return [
        _Place(split=split, index=index, site=site, true_class=true_class)
        for index, (site, true_class) in enumerate(drawn[:count])
    ]


def _noise_labels(settings: CohortSettings, places: Sequence[_Place]) -> list[str]:
    """A class for each place, shuffled within its split.

    They must not be balanced within each true class: whatever is then learned of one part of the patients holds the
    other way round for the rest, and cross-validated AUCs come out well below 0.5.
    """
    labels: list[str] = []
    for split in dict.fromkeys(place.split for place in places):
        count = sum(place.split == split for place in places)
        rng = np.random.default_rng(derive_seed(settings.seed, "noise labels", split))
        labels += [CLASSES[index % len(CLASSES)] for index in rng.permutation(count)]
    return labels


def _patient(settings: CohortSettings, place: _Place, recorded_class: str) -> Patient:
    seed = derive_seed(settings.seed, place.split, place.index)
    traits = sample_patient(np.random.default_rng(derive_seed(seed, "patient")))
    name = f"{'sim' if place.split == 'train' else 'ext'}{place.index + 1:03d}"
    activity_bq = place.site.activity_bq_per_kg * traits.weight_kg * traits.activity_per_kg_factor
    case = Case(
        case_id=name,
        subject_id=f"sub-{name}",
        session_id="1",
        site=place.site.name,
        split=place.split,
        weight_kg=traits.weight_kg,
        injected_activity_bq=round(activity_bq, -5),
        targets={TARGET: recorded_class},
    )
    return Patient(
        case=case,
        site=place.site,
        true_class=place.true_class,
        traits=traits,
        lesion=sample_lesion(np.random.default_rng(derive_seed(seed, "lesion")), true_class=place.true_class),
        has_flair=not _is_missing(place.index, settings),
        seed=seed,
    )


def _is_missing(index: int, settings: CohortSettings) -> bool:
    """Systematic sampling: of any n neighbors, ``missing_rate * n`` are chosen, give or take one."""
    start = np.random.default_rng(derive_seed(settings.seed, "missing")).uniform()
    rate = settings.missing_rate
    return math.floor(start + rate * (index + 1)) > math.floor(start + rate * index)
