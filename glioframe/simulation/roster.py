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
class Place:
    """A place in the cohort that a patient is drawn for.

    Attributes:
        split: Training or external.
        index: Within the split, from 0.
        site: Where the patient is scanned.
        true_class: What the lesion really is.
        recorded_class: What cases.tsv says.
        has_flair: Whether the FLAIR was acquired.
        seed: Of everything about the patient.
    """

    split: Split
    index: int
    site: Site
    true_class: str
    recorded_class: str
    has_flair: bool
    seed: int

    def case(self, traits: PatientTraits, targets: dict[str, str | None]) -> Case:
        """The row of cases.tsv."""
        name = f"{'sim' if self.split == 'train' else 'ext'}{self.index + 1:03d}"
        activity_bq = self.site.activity_bq_per_kg * traits.weight_kg * traits.activity_per_kg_factor
        return Case(
            case_id=name,
            subject_id=f"sub-{name}",
            session_id="1",
            site=self.site.name,
            split=self.split,
            weight_kg=traits.weight_kg,
            injected_activity_bq=round(activity_bq, -5),
            targets=targets,
        )


def draw_roster(settings: CohortSettings) -> list[Patient]:
    """All patients, training cases first. A longer cohort starts with the same patients."""
    return [_patient(place) for place in draw_places(settings, CLASSES)]


def draw_places(settings: CohortSettings, classes: Sequence[str]) -> list[Place]:
    """All places, training cases first: every pair of site and class equally often, in shuffled blocks."""
    places: list[Place] = []
    splits: tuple[tuple[Split, int, tuple[Site, ...]], ...] = (
        ("train", settings.num_cases, TRAINING_SITES),
        ("external", settings.num_external, (EXTERNAL_SITE,)),
    )
    for split, count, sites in splits:
        drawn = _draw_pairs(settings, split, count, [(site, name) for site in sites for name in classes])
        true_classes = [name for _, name in drawn]
        recorded = _noise_labels(settings, split, count, classes) if settings.noise_labels else true_classes
        places += [
            Place(
                split=split,
                index=index,
                site=site,
                true_class=true_class,
                recorded_class=recorded[index],
                has_flair=not _is_missing(index, settings),
                seed=derive_seed(settings.seed, split, index),
            )
            for index, (site, true_class) in enumerate(drawn)
        ]
    return places


def _draw_pairs(
    settings: CohortSettings, split: Split, count: int, pairs: Sequence[tuple[Site, str]]
) -> list[tuple[Site, str]]:
    drawn: list[tuple[Site, str]] = []
    while len(drawn) < count:
        rng = np.random.default_rng(derive_seed(settings.seed, "roster", split, len(drawn)))
        drawn += [pairs[index] for index in rng.permutation(len(pairs))]
    return drawn[:count]


def _noise_labels(settings: CohortSettings, split: Split, count: int, classes: Sequence[str]) -> list[str]:
    """A class for each place, shuffled within its split.

    They must not be balanced within each true class: whatever is then learned of one part of the patients holds the
    other way round for the rest, and cross-validated AUCs come out well below 0.5.
    """
    rng = np.random.default_rng(derive_seed(settings.seed, "noise labels", split))
    return [classes[index % len(classes)] for index in rng.permutation(count)]


def _patient(place: Place) -> Patient:
    traits = sample_patient(np.random.default_rng(derive_seed(place.seed, "patient")))
    return Patient(
        case=place.case(traits, {TARGET: place.recorded_class}),
        site=place.site,
        true_class=place.true_class,
        traits=traits,
        lesion=sample_lesion(np.random.default_rng(derive_seed(place.seed, "lesion")), true_class=place.true_class),
        has_flair=place.has_flair,
        seed=place.seed,
    )


def _is_missing(index: int, settings: CohortSettings) -> bool:
    """Systematic sampling: of any n neighbors, ``missing_rate * n`` are chosen, give or take one."""
    start = np.random.default_rng(derive_seed(settings.seed, "missing")).uniform()
    rate = settings.missing_rate
    return math.floor(start + rate * (index + 1)) > math.floor(start + rate * index)
