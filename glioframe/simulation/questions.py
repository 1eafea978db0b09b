"""What a dynamic cohort is asked about: the types of lesion, their classes, and how kinetics tell them apart.

The bulk of each lesion has K1 and k2 drawn around a row of the tracer's table; nothing else differs between the
types, so the likelihood of K1 and k2 is all that can be known about the class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from glioframe.artifacts.dataset import Target
from glioframe.core.modality import Tracer
from glioframe.core.seeds import derive_seed
from glioframe.evaluation.discrimination import auc
from glioframe.pet.tissue_tables import TISSUE_TABLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glioframe.pet.two_tissue import TissueKinetics

# Between patients K1 and k2 vary by about a fifth, and together, so that VT varies less.
PATIENT_LOG_SD: Final = 0.20
PATIENT_CORRELATION: Final = 0.8
_AUC_DRAWS_PER_TYPE = 40_000


@dataclass(frozen=True, kw_only=True)
class Question:
    """One clinical question.

    Attributes:
        name: As the option calls it.
        types: Kinds of lesion, equally frequent.
        rows: By tracer, the row of the tissue table that is the bulk of each type.
        focal_type: The type whose bulk the table's hot spot and decoy belong to.
        targets: The columns of cases.tsv.
        positive_rates: By target, how often each type is of the positive class.
        overlap: Standard deviation of the lesions along the way from the first to the second type's kinetics, as a
            fraction of the way: some lesions look like the other type.
    """

    name: str
    types: tuple[str, ...]
    rows: dict[Tracer, tuple[str, ...]]
    focal_type: str
    targets: tuple[Target, ...]
    positive_rates: dict[str, tuple[float, ...]]
    overlap: float = 0.0

    def table_tissue(self, tracer: Tracer, lesion_type: str) -> TissueKinetics:
        """The bulk of a type in the tracer's table."""
        return TISSUE_TABLES[tracer][self.rows[tracer][self.types.index(lesion_type)]]

    def log_centers(self, tracer: Tracer) -> NDArray[np.float64]:
        """Mean log K1 and log k2 of each type, (type, 2)."""
        tissues = [self.table_tissue(tracer, name) for name in self.types]
        return np.log([[tissue.k1_ml_cm3_min, tissue.k2_per_min] for tissue in tissues])

    def log_covariance(self, tracer: Tracer) -> NDArray[np.float64]:
        """Covariance of log K1 and log k2 within each type, (2, 2)."""
        shared = PATIENT_CORRELATION * PATIENT_LOG_SD**2
        covariance = np.array([[PATIENT_LOG_SD**2, shared], [shared, PATIENT_LOG_SD**2]])
        first, second = self.log_centers(tracer)[:2]
        return np.asarray(covariance + self.overlap**2 * np.outer(second - first, second - first))

    def draw(self, tracer: Tracer, lesion_type: str, rng: np.random.Generator, *, count: int) -> NDArray[np.float64]:
        """Log K1 and log k2 of the bulk of lesions, (count, 2)."""
        root = np.linalg.cholesky(self.log_covariance(tracer))
        center = self.log_centers(tracer)[self.types.index(lesion_type)]
        return np.asarray(center + rng.standard_normal((count, 2)) @ root.T)

    def log_likelihood(self, tracer: Tracer, log_k1_k2: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of each type, up to a constant that all types share, for lesions (n, 2); (n, type)."""
        precision = np.linalg.inv(self.log_covariance(tracer))
        offset = log_k1_k2[:, None, :] - self.log_centers(tracer)
        return np.asarray(-0.5 * np.einsum("nti,ij,ntj->nt", offset, precision, offset))

    def bayes_score(self, tracer: Tracer, target: str, log_k1_k2: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log odds of a target's positive class for who knows K1 and k2 of the bulk exactly, (n,)."""
        likelihood = self.log_likelihood(tracer, log_k1_k2)
        rate = np.array(self.positive_rates[target])
        with np.errstate(divide="ignore"):  # a type that never is of the class
            positive = np.logaddexp.reduce(likelihood + np.log(rate), axis=1)
            negative = np.logaddexp.reduce(likelihood + np.log1p(-rate), axis=1)
        return np.asarray(positive - negative)

    def bayes_auc(self, tracer: Tracer, target: str) -> float:
        """The best AUC that K1 and k2 of the bulk allow for a target, from many drawn lesions."""
        scores, classes = [], []
        for lesion_type, rate in zip(self.types, self.positive_rates[target], strict=True):
            rng = np.random.default_rng(derive_seed(0, "bayes", self.name, tracer, target, lesion_type))
            draws = self.draw(tracer, lesion_type, rng, count=_AUC_DRAWS_PER_TYPE)
            scores.append(self.bayes_score(tracer, target, draws))
            classes.append(rng.uniform(size=_AUC_DRAWS_PER_TYPE) < rate)
        return auc(np.concatenate(classes), np.concatenate(scores))

    def sample_classes(self, lesion_type: str, rng: np.random.Generator) -> dict[str, str | None]:
        """A class of every target for a lesion of a type."""
        index = self.types.index(lesion_type)
        return {
            target.name: target.classes[int(rng.uniform() < self.positive_rates[target.name][index])]
            for target in self.targets
        }


_RECURRENCE_TYPES = ("treatment_related_change", "progression")

RECURRENCE: Final = Question(
    name="recurrence",
    types=_RECURRENCE_TYPES,
    rows={Tracer.FDOPA: _RECURRENCE_TYPES, Tracer.FET: _RECURRENCE_TYPES},
    focal_type="progression",
    targets=(Target(name="recurrence", classes=_RECURRENCE_TYPES),),
    positive_rates={"recurrence": (0.0, 1.0)},
    overlap=0.40,
)

_MUTANT_ROWS = ("idh_mutant_astrocytoma", "oligodendroglioma")

MOLECULAR: Final = Question(
    name="molecular",
    types=("glioblastoma", "astrocytoma", "oligodendroglioma"),
    rows={Tracer.FDOPA: ("idh_wildtype_bulk", *_MUTANT_ROWS), Tracer.FET: ("glioblastoma_bulk", *_MUTANT_ROWS)},
    focal_type="glioblastoma",
    targets=(
        Target(name="idh", classes=("wildtype", "mutant")),
        Target(name="codel_1p19q", classes=("intact", "codeleted")),
        Target(name="tert", classes=("wildtype", "mutant")),
    ),
    # IDH and 1p/19q define the types; TERT promoter mutations are near these rates in all series.
    positive_rates={"idh": (0.0, 1.0, 1.0), "codel_1p19q": (0.0, 0.0, 1.0), "tert": (0.80, 0.05, 0.95)},
)

QUESTIONS: Final = {question.name: question for question in (RECURRENCE, MOLECULAR)}
