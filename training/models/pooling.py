"""Statistics of feature maps that do not depend on where something is."""

from __future__ import annotations

from typing import Final

from torch import Tensor

_SMALLEST_VARIANCE: Final = 1e-6
"""Keeps the gradient of the square root finite on a blank picture."""


def mean_and_deviation(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over the pixels of [n, channels, height, width], each [n, channels]."""
    maps = maps.float()
    mean = maps.mean(dim=(2, 3))
    variance = (maps * maps).mean(dim=(2, 3)) - mean * mean
    return mean, (variance.clamp(min=0) + _SMALLEST_VARIANCE).sqrt()
