"""ComBat: takes what a site adds to, and multiplies, its features out of them.

W. E. Johnson, C. Li, A. Rabinovic, Biostatistics 8 (2007) 118-127, with the parametric empirical Bayes prior, as J.-P.
Fortin et al., NeuroImage 167 (2018) 104-120, brought it to imaging. Fitted on training rows only; it never sees the
target, so that it cannot carry it to held-out rows. Covariates are not preserved: where the sites' patients differ,
part of that difference goes with the sites'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Values = NDArray[np.float64]

_FEWEST_CASES = 3
"""A site of fewer says too little of its own spread; its rows stay as they are, as those of an unknown site do."""
_MOST_ITERATIONS = 200
_TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class SiteEffect:
    """What one site does to each standardized feature, (p,).

    Attributes:
        shift: Added.
        scale: Multiplied with.
    """

    shift: Values
    scale: Values


@dataclass(frozen=True, kw_only=True, eq=False)
class Combat:
    """Fitted site effects.

    Attributes:
        mean: Of each feature over the sites, weighted by their cases, (p,).
        deviation: Pooled within the sites, (p,); 1 for a constant feature.
        effects: By site.
    """

    mean: Values
    deviation: Values
    effects: dict[str, SiteEffect]

    def harmonized(self, values: Values, sites: Sequence[str]) -> Values:
        """The rows (n, p) without their sites' effects; rows of a site that was not fitted stay as they are."""
        result = values.copy()
        for site, effect in self.effects.items():
            rows = [index for index, each in enumerate(sites) if each == site]
            standardized = (values[rows] - self.mean) / self.deviation
            result[rows] = (standardized - effect.shift) / effect.scale * self.deviation + self.mean
        return result


def fit_combat(values: Values, sites: Sequence[str], *, untouched: NDArray[np.bool_] | None = None) -> Combat:
    """Estimates the effects of the sites with three rows or more; without two such sites there are none.

    Args:
        values: Training rows (n, p); NaN for missing.
        sites: Of each row; empty for unknown, which is no site.
        untouched: Columns (p,) that are not measured by a scanner, such as age; they stay as they are.
    """
    names = np.asarray(sites, dtype=object)
    counts = {site: int((names == site).sum()) for site in sorted(set(sites)) if site}
    fitted = [site for site, count in counts.items() if count >= _FEWEST_CASES]
    num_features = values.shape[1]
    if len(fitted) <= 1:
        return Combat(mean=np.zeros(num_features), deviation=np.ones(num_features), effects={})
    known = values[np.isin(names, fitted)]
    known_names = names[np.isin(names, fitted)]
    num_seen = {site: np.isfinite(known[known_names == site]).sum(axis=0) for site in fitted}
    means = {site: _mean(known[known_names == site]) for site in fitted}
    total = np.maximum(sum(num_seen.values()), 1)
    mean = np.asarray(sum(num_seen[site] * means[site] for site in fitted) / total)
    residuals = known - np.stack([means[site] for site in known_names])
    deviation = np.sqrt(np.nansum(residuals**2, axis=0) / total)
    # Rounding leaves a constant some tiny spread, which must not be blown up.
    is_constant = deviation <= 1e-12 * np.maximum(np.abs(mean), 1e-300)
    fixed = is_constant if untouched is None else is_constant | untouched
    deviation = np.where(fixed, 1.0, deviation)
    standardized = {site: (known[known_names == site] - mean) / deviation for site in fitted}
    effects = {site: _effect(rows, usable=~fixed) for site, rows in standardized.items()}
    return Combat(mean=mean, deviation=deviation, effects=effects)


def _effect(standardized: Values, *, usable: NDArray[np.bool_]) -> SiteEffect:
    """Shift and scale of one site, each drawn to what the site's features have in common.

    The prior of the shift is normal, that of the squared scale inverse gamma, both fitted by moments over the
    features (Johnson 2007, section 3.2); the two posterior means are found by turns.
    """
    num_features = standardized.shape[1]
    shift, squared = np.zeros(num_features), np.ones(num_features)
    count = np.isfinite(standardized).sum(axis=0)
    usable = usable & (count >= _FEWEST_CASES)
    rows, count = standardized[:, usable], count[usable]
    if rows.shape[1] == 0:
        return SiteEffect(shift=shift, scale=np.sqrt(squared))
    raw_shift, raw_squared = _mean(rows), np.nanvar(rows, axis=0, ddof=1)
    prior_mean, prior_variance = raw_shift.mean(), raw_shift.var(ddof=1) if raw_shift.size > 1 else 0.0
    shape, rate = _inverse_gamma(raw_squared)
    new_shift, new_squared = raw_shift, np.maximum(raw_squared, np.finfo(float).tiny)
    for _ in range(_MOST_ITERATIONS):
        weight = count * prior_variance
        next_shift = (weight * raw_shift + new_squared * prior_mean) / (weight + new_squared)
        squares = np.nansum((rows - next_shift) ** 2, axis=0)
        next_squared = (
            (rate + squares / 2) / (count / 2 + shape - 1)
            if np.isfinite(shape)
            else np.full_like(raw_squared, raw_squared.mean())
        )
        change = max(np.abs(next_shift - new_shift).max(), np.abs(next_squared - new_squared).max())
        new_shift, new_squared = next_shift, next_squared
        if change < _TOLERANCE:
            break
    shift[usable], squared[usable] = new_shift, new_squared
    return SiteEffect(shift=shift, scale=np.sqrt(np.where(squared > 0, squared, 1.0)))


def _inverse_gamma(variances: Values) -> tuple[float, float]:
    """Shape and rate by moments: mean rate / (shape - 1), variance mean^2 / (shape - 2); infinite without spread."""
    mean, spread = float(variances.mean()), float(variances.var(ddof=1)) if variances.size > 1 else 0.0
    if spread <= 0:
        return np.inf, np.inf
    shape = 2 + mean**2 / spread
    return shape, mean * (shape - 1)


def _mean(rows: Values) -> Values:
    """Over the rows that are known; 0 where none is."""
    seen = np.isfinite(rows).sum(axis=0)
    return np.asarray(np.nansum(rows, axis=0) / np.maximum(seen, 1))
