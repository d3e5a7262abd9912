"""The background: the level of air around the animal, including the beam's fall-off towards the edges."""

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.intake.animal.trunk import Mask, Plane, Scout

_LEVELS: Final = 128
_LEAST_RANGE: Final = 1e-3
_SMOOTHING: Final = np.exp(-0.5 * (np.arange(-6, 7) / 2.0) ** 2)
"""Kernel for the histogram. Noise spreads the background over many levels, whereas the animal of an over-exposed image
may have a single one."""
_EDGE_PART: Final = 0.06
"""Pixels this close to the field's edge, as a fraction of its shorter side, belong to the edge."""
_FIT_STRIDE: Final = 4
_FIT_ROUNDS: Final = 4
_BEYOND_NOISE: Final = 4.0
"""Pixels that differ from the background by more than this many standard deviations decide the polarity."""
_MAD_TO_SIGMA: Final = 1.4826
_EDGE_QUANTILE, _EDGE_SIGMAS = 0.95, 1.96
"""This fraction of a normal distribution is within this many standard deviations."""
_MOST_NOISE: Final = 0.04
"""Upper limit of the noise along the edge, as a fraction of the contrast: an animal may lie across the edge."""


@dataclass(frozen=True)
class Background:
    """The background as a quadratic surface over the image.

    `coefficients` are those of 1, x, y, x^2, xy and y^2, with x and y in -1..1. `noise` is the standard deviation
    around the surface, in scout values. `polarity` is in -1..1: positive when the rest of the image is brighter than
    the background (bone bright), negative when it is darker.
    """

    coefficients: NDArray[np.float64]
    noise: float
    polarity: float

    def surface(self, rows: int, columns: int) -> Plane:
        """Return the background float32 [rows, columns] of an image sampled at this size."""
        y, x = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, columns)[None, :]
        c = self.coefficients
        return np.asarray(c[0] + c[1] * x + c[2] * y + c[3] * x * x + c[4] * x * y + c[5] * y * y, dtype=np.float32)


def find_background(scouted: Scout, usable: Mask) -> Background:
    """Fit the background of an image of either polarity, using only the pixels in `usable` (no collimator blade)."""
    values = scouted.values
    edge = _near_edge(usable)
    level, width = _commonest_level(values, usable, edge)
    coefficients, noise = _fit(values, usable & (np.abs(values - level) <= 2 * width), usable, width)
    background = Background(coefficients, noise, 0.0)
    difference = values - background.surface(*values.shape)
    noise = max(noise, _noise_along_edge(difference, usable, edge))
    beyond = difference[usable]
    above = float(np.maximum(beyond - _BEYOND_NOISE * noise, 0).sum())
    below = float(np.maximum(-beyond - _BEYOND_NOISE * noise, 0).sum())
    return replace(background, noise=noise, polarity=(above - below) / max(above + below, 1e-6))


def _noise_along_edge(difference: Plane, usable: Mask, edge: Mask) -> float:
    """Estimate the noise of partly clipped air: its most frequent value has no spread, the unclipped pixels do."""
    contrast = float(np.percentile(np.abs(difference[::2, ::2][usable[::2, ::2]]), 99.5))
    spread = float(np.quantile(np.abs(difference[edge]), _EDGE_QUANTILE)) / _EDGE_SIGMAS
    return min(spread, _MOST_NOISE * contrast)


def _commonest_level(values: Plane, usable: Mask, edge: Mask) -> tuple[float, float]:
    """Return the most frequent grey level along the field's edge, where animals are rare, and its half width at half
    maximum.
    """
    low, high = (float(level) for level in np.percentile(values[::2, ::2][usable[::2, ::2]], (0.1, 99.9)))
    counts, bounds = np.histogram(values[edge], bins=_LEVELS, range=(low, max(high, low + _LEAST_RANGE)))
    smooth = np.convolve(counts, _SMOOTHING, mode="same")
    peak = int(np.argmax(smooth))
    below = np.flatnonzero(smooth < smooth[peak] / 2)
    first = int(below[below < peak].max(initial=-1)) + 1
    last = int(below[below > peak].min(initial=_LEVELS)) - 1
    bin_width = float(bounds[1] - bounds[0])
    return float(bounds[peak]) + bin_width / 2, (last - first + 1) * bin_width / 2


def _near_edge(usable: Mask) -> Mask:
    margin = max(2, int(_EDGE_PART * min(usable.shape)))
    walled = np.pad(usable.astype(np.uint8), margin)
    inner = cv2.erode(walled, np.ones((2 * margin + 1,) * 2, np.uint8))[margin:-margin, margin:-margin]
    return np.asarray(usable & (inner == 0), dtype=np.bool_)


def _fit(values: Plane, near: Mask, usable: Mask, width: float) -> tuple[NDArray[np.float64], float]:
    rows, columns = values.shape
    pick = np.s_[::_FIT_STRIDE, ::_FIT_STRIDE]
    down, along = np.meshgrid(np.linspace(-1, 1, rows)[pick[0]], np.linspace(-1, 1, columns)[pick[1]], indexing="ij")
    x, y, sample = along.ravel(), down.ravel(), values[pick].ravel().astype(np.float64)
    taken, allowed = near[pick].ravel(), usable[pick].ravel()
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y])
    coefficients: NDArray[np.float64] = np.asarray([float(np.median(sample[taken])), 0, 0, 0, 0, 0])
    noise = width
    for _ in range(_FIT_ROUNDS):
        if taken.sum() < 4 * len(terms):
            break
        coefficients = _least_squares(terms[:, taken], sample[taken])
        residual = sample - np.einsum("i,ij->j", coefficients, terms)
        noise = max(float(np.median(np.abs(residual[taken]))) * _MAD_TO_SIGMA, 1e-4)
        taken = allowed & (np.abs(residual) <= 3 * noise + 0.5 * width)
    return coefficients, noise


def _least_squares(terms: NDArray[np.float64], sample: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve the normal equations; a small ridge keeps them solvable where the background is a narrow strip.

    Uses einsum rather than BLAS, whose threads would compete with those of other workers.
    """
    square = np.einsum("ik,jk->ij", terms, terms) + 1e-9 * terms.shape[1] * np.eye(len(terms))
    return np.asarray(np.linalg.solve(square, np.einsum("ik,k->i", terms, sample)))
