"""The level of air: what lies behind the animal, with the beam's fall-off towards the edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.intake.animal.scout import Mask, Plane, Scout

_LEVELS: Final = 128
_EDGE_PART: Final = 0.08
"""Pixels this near to the picture's edge (in parts of a side) count threefold: animals seldom lie there."""
_FIT_STRIDE: Final = 4
_FIT_ROUNDS: Final = 4
_MAD_TO_SIGMA: Final = 1.4826


@dataclass(frozen=True)
class Background:
    """The background as a quadratic surface over the picture.

    `polarity` is in -1..1: how far the rest of the picture lies above (bone bright) or below the background.
    `noise` is the standard deviation about the surface, in scout values.
    """

    coefficients: NDArray[np.float64]
    noise: float
    polarity: float

    def surface(self, rows: int, columns: int) -> Plane:
        """Background float32 [rows, columns] of a picture sampled at this size."""
        y, x = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, columns)[None, :]
        c = self.coefficients
        return np.asarray(c[0] + c[1] * x + c[2] * y + c[3] * x * x + c[4] * x * y + c[5] * y * y, dtype=np.float32)


def find_background(scouted: Scout, usable: Mask) -> Background:
    """Fit the background where `usable` (no blade, nothing transparent) in a picture of either polarity."""
    values = scouted.values
    level, width = _commonest_level(values, usable)
    beyond = (values - level)[usable]
    above, below = float(np.maximum(beyond - width, 0).sum()), float(np.maximum(-beyond - width, 0).sum())
    polarity = (above - below) / (above + below) if above + below > 0 else 0.0
    coefficients, noise = _fit(values, usable & (np.abs(values - level) <= 2 * width), usable, width)
    return Background(coefficients, noise, polarity)


def _commonest_level(values: Plane, usable: Mask) -> tuple[float, float]:
    """Densest grey level, edges of the picture weighted, and its half width at half maximum (at least one bin)."""
    low, high = np.percentile(values[usable], (0.1, 99.9))
    weights = np.where(_near_edge(values.shape), 3.0, 1.0)[usable]
    counts, bounds = np.histogram(values[usable], bins=_LEVELS, range=(low, high + 1e-6), weights=weights)
    smooth = np.convolve(counts, (0.25, 0.5, 0.25), mode="same")
    peak = int(np.argmax(smooth))
    half = smooth >= smooth[peak] / 2
    first, last = peak, peak
    while first > 0 and half[first - 1]:
        first -= 1
    while last < _LEVELS - 1 and half[last + 1]:
        last += 1
    bin_width = float(bounds[1] - bounds[0])
    return float(bounds[peak] + bin_width / 2), max(last - first + 1, 3) * bin_width / 2


def _near_edge(shape: tuple[int, ...]) -> Mask:
    rows, columns = shape
    margin = max(2, int(_EDGE_PART * min(shape)))
    near = np.ones((rows, columns), dtype=np.bool_)
    near[margin : rows - margin, margin : columns - margin] = False
    return near


def _fit(values: Plane, near: Mask, usable: Mask, width: float) -> tuple[NDArray[np.float64], float]:
    rows, columns = values.shape
    down, along = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    pick = np.s_[::_FIT_STRIDE, ::_FIT_STRIDE]
    x, y, sample = along[pick].ravel(), down[pick].ravel(), values[pick].ravel().astype(np.float64)
    taken, allowed = near[pick].ravel(), usable[pick].ravel()
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    coefficients: NDArray[np.float64] = np.asarray([float(np.median(values[near])), 0, 0, 0, 0, 0])
    noise = width
    for _ in range(_FIT_ROUNDS):
        if taken.sum() < 4 * terms.shape[1]:
            break
        coefficients = np.asarray(np.linalg.lstsq(terms[taken], sample[taken], rcond=None)[0])
        residual = sample - terms @ coefficients
        noise = max(float(np.median(np.abs(residual[taken]))) * _MAD_TO_SIGMA, 1e-4)
        taken = allowed & (np.abs(residual) <= 3 * noise + 0.5 * width)
    return coefficients, noise
