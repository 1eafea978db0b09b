"""Preprocesses a dataset in a process of its own, for the tests that kill it: RAW FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

from small_plan import make_configuration, make_plan

from glioframe.artifacts.raw_dataset import load_raw_dataset
from glioframe.core.progress import JsonProgress
from glioframe.preprocessing.dataset import preprocess_dataset

if __name__ == "__main__":
    dataset = load_raw_dataset(Path(sys.argv[1]))
    preprocess_dataset(
        dataset,
        make_plan(dataset.description),
        make_configuration(),
        Path(sys.argv[2]),
        num_workers=2,
        progress=JsonProgress(),
    )
