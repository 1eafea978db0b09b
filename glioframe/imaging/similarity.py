"""How much two images say about each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NUM_BINS = 32


def normalized_mutual_information(first: NDArray[Any], second: NDArray[Any]) -> float:
    """(H(A) + H(B)) / H(A, B) of two arrays of one shape: 1 for unrelated images, 2 for images that tell each other.

    Studholme 1999, Pattern Recognit 32:71. Entropies are those of a joint histogram of 32 bins each way. It changes
    less than mutual information with how much of the images overlaps. Constant images are unrelated to any other.
    """
    counts, _, _ = np.histogram2d(first.ravel(), second.ravel(), bins=_NUM_BINS)
    joint = counts / counts.sum()
    together = _entropy(joint)
    return 1.0 if together == 0.0 else (_entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1))) / together


def _entropy(probabilities: NDArray[np.float64]) -> float:
    known = probabilities[probabilities > 0]
    return float(-(known * np.log(known)).sum())
