"""What can be chosen about the radiomics baseline."""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from glioframe.artifacts.json_file import STRICT

Classifier = Literal["ridge", "elastic_net", "svm", "random_forest", "gradient_boosting"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Settings of one training; set with ``--set task.NAME=VALUE``.

    Attributes:
        classifier: ``ridge`` and ``elastic_net`` are logistic regressions, ``svm`` has a radial kernel.
        features: A table of features to use in place of extraction, CSV or TSV with a column ``case_id``; empty to
            extract.
        bin_widths: Width of the gray-level bins by quantity, in its unit, where another than the standard is wanted.
        bin_count: Number of gray-level bins for channels without a scale: weighted MRI.
        three_sigma: Whether voxels of weighted MRI beyond three standard deviations from the region's mean are left
            out of its gray levels; its shape stays.
        spacing_mm: Edge of the cubic voxels to resample to; 0 for the planned spacing where it is cubic, and otherwise
            for cubes of the same volume.
        subregions: Whether to extract from each label value too, beside the whole lesion.
        covariates: Columns of cases.tsv to add.
        categories: The legal values of each covariate that is no number, by column.
        harmonize: ``combat`` takes differences between sites out of the features.
        min_icc: Features whose intraclass correlation between the outline, one voxel less and one voxel more of it is
            lower are left out; 0 leaves none out, and spares two thirds of the extraction.
        max_correlation: Of two features that correlate more than this, one is left out.
        num_workers: Processes that extract; 0 for as many as there are cores, up to eight.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    classifier: Classifier = "ridge"
    features: str = ""
    bin_widths: dict[str, Annotated[float, Gt(0)]] = field(default_factory=dict)
    bin_count: Annotated[int, Ge(2), Le(256)] = 32
    three_sigma: bool = True
    spacing_mm: Annotated[float, Ge(0)] = 0.0
    subregions: bool = False
    covariates: tuple[str, ...] = ()
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    harmonize: Literal["none", "combat"] = "none"
    min_icc: Annotated[float, Ge(0), Le(1)] = 0.0
    max_correlation: Annotated[float, Gt(0), Le(1)] = 0.95
    num_workers: Annotated[int, Ge(0)] = 0
