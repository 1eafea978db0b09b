"""The UCSF-PDGM radiomics table as features and classes; only where the real data is."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np

from glioframe.tasks.radiomics_baseline.table import FeatureTable

MISSING = "GLIOFRAME_REAL_DATA" not in os.environ


def _class_of(row: dict[str, str], target: str) -> int | None:
    if target == "idh":
        return int(row["IDH"] != "wildtype") if row["IDH"] else None
    if target == "grade4":
        return int(row["WHO CNS Grade"] == "4")
    return {"negative": 0, "positive": 1}.get(row["MGMT status"])


def ucsf_table(data: Path, target: str, *, every: int = 1) -> tuple[FeatureTable, np.ndarray]:
    """Patients with a known class of ``idh``, ``grade4`` or ``mgmt``; with ``every``, one of so many."""
    folder = data / "ucsf_pdgm_radiomics"
    with (folder / "UCSF-PDGM-metadata_v2.csv").open() as stream:
        classes = {row["ID"].split("-")[-1].lstrip("0"): _class_of(row, target) for row in csv.DictReader(stream)}
    with (folder / "radiomic_features_T1gad_bias.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    known = [(row, classes[row["ID"].split("-")[-1].lstrip("0")]) for row in rows]
    known = [(row, its_class) for row, its_class in known if its_class is not None][::every]
    names = tuple(name for name in rows[0] if name.startswith("original_"))
    ids = tuple(row["ID"] for row, _ in known)
    table = FeatureTable(
        case_ids=ids,
        subjects=ids,
        sites=("",) * len(ids),
        names=names,
        values=np.array([[float(row[name]) for name in names] for row, _ in known]),
    )
    return table, np.array([its_class for _, its_class in known])
