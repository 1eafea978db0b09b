"""From which probability on a case is called positive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEUTRAL = 0.5
"""The operating point where the data cannot say better."""


def choose_operating_point(reference: NDArray[Any], probability: NDArray[Any]) -> float:
    """The threshold that maximizes balanced accuracy, i.e. Youden's J = sensitivity + specificity - 1.

    W. J. Youden, Cancer 3 (1950) 32-35. Candidates are 0.5 and the midpoints between neighboring probabilities,
    0 and 1 included, so that the threshold keeps clear of the cases that it was chosen on. Of equally good
    candidates the one closest to 0.5 is taken (of two equally close ones, the lower).

    Choose it on cases that the evaluated ones had no part in: inside the training fold.

    Args:
        reference: 1 for positive and 0 for negative, (n,).
        probability: Of the positive class, (n,).

    Returns:
        The threshold in [0, 1]; a case is positive when its probability reaches it. 0.5 when one class is absent.
    """
    reference = np.asarray(reference).astype(bool)
    probability = np.asarray(probability, dtype=np.float64)
    positive = np.sort(probability[reference])
    negative = np.sort(probability[~reference])
    if positive.size == 0 or negative.size == 0:
        return NEUTRAL
    edges = np.unique(np.concatenate([probability, (0.0, 1.0)]))
    candidates = np.append((edges[:-1] + edges[1:]) / 2, NEUTRAL)
    sensitivity = 1 - np.searchsorted(positive, candidates, side="left") / positive.size
    specificity = np.searchsorted(negative, candidates, side="left") / negative.size
    # Rounded, so that equal fractions of different denominators tie as they should.
    youden = np.round(sensitivity + specificity, decimals=12)
    best = np.sort(candidates[youden == youden.max()])
    return float(best[np.argmin(np.abs(best - NEUTRAL))])
