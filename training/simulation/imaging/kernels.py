"""The pixels of solids, compiled by numba: each solid is evaluated only where it covers the picture.

The tables are those of `training.simulation.imaging.rays`. Arithmetic is float32 where noted and without fast-math, so
that a picture's bytes do not depend on how the loops are compiled.
"""

from math import ceil, floor, sqrt

import numpy as np
from numba import njit
from numpy.typing import NDArray

_Table = NDArray[np.float64]

_ZERO, _HALF = np.float32(0.0), np.float32(0.5)


@njit(cache=True)
def _clipped(value: float, most: int) -> int:
    return int(min(max(value, 0.0), float(most)))


@njit(cache=True)
def add_tubes(table: _Table, member: NDArray[np.bool_], sums: NDArray[np.float64]) -> None:
    """Add each tube's chords to its layers of `sums` [layers, height, width]."""
    height, width = sums.shape[1], sums.shape[2]
    line = np.empty(width, np.float32)
    for solid in range(table.shape[0]):
        layers = np.flatnonzero(member[solid])
        if layers.size == 0:
            continue
        x0, y0, x1, y1, ex, ey = table[solid, :6]
        reach = table[solid, 12]
        low, high = min(x0, x1) - reach, max(x0, x1) + reach
        steep = max(abs(ey), 1e-3)
        slope = -steep if ey < 0 else steep
        for y in range(
            _clipped(ceil(min(y0, y1) - reach - 0.5), height), _clipped(floor(max(y0, y1) + reach - 0.5) + 1, height)
        ):
            # A run also stops where the ray is farther than the radius from the axis: |x ey - down ex| <= reach.
            down = y + 0.5 - y0
            middle, half = x0 + down * ex / slope, reach / steep
            first = _clipped(ceil(max(low, middle - half) - 0.5), width)
            last = _clipped(floor(min(high, middle + half) - 0.5) + 1, width)
            if last <= first:
                continue
            _chords(table[solid], down, first, last, line)
            for layer in layers:
                for x in range(first, last):
                    sums[layer, y, x] += line[x]


@njit(cache=True)
def _chords(row: NDArray[np.float64], down: float, first: int, last: int, line: NDArray[np.float32]) -> None:
    """Chords of one tube on one line of pixels, cut at the tube's flat ends; float32."""
    ex, ey, left = row[4], row[5], row[0]
    a0, a1 = np.float32(ex / row[9]), np.float32((down * ey - left * ex) / row[9])
    v0, v1 = np.float32(ey), np.float32(-down * ex - left * ey)
    length, start, taper = np.float32(row[6]), np.float32(row[7]), np.float32(row[8])
    sine, cosine, density = np.float32(row[9]), np.float32(row[10]), np.float32(row[11])
    for column in range(first, last):
        x = np.float32(column) + _HALF
        along, across = x * a0 + a1, x * v0 + v1
        radius = start + taper * min(max(along, _ZERO), length)
        half = np.float32(sqrt(max(radius * radius - across * across, _ZERO))) / sine
        # Half a pixel of softness at the ends models the detector's sampling.
        spread = max(half * cosine, _HALF)
        inside = min(along + spread, length) - max(along - spread, _ZERO)
        line[column] = max(inside, _ZERO) * half / spread * density


@njit(cache=True)
def _ellipse_run(row: NDArray[np.float64], y: int, width: int, line: NDArray[np.float32]) -> tuple[int, int]:
    """Thicknesses of one ellipsoid on one line of pixels; returns the first column and the one after the last."""
    down = y + 0.5 - row[1]
    middle = row[0] + row[3] / row[4] * down
    half = sqrt(max(row[5] / row[4] * (1.0 - down * down / row[4]), 0.0))
    first, last = _clipped(ceil(middle - half - 0.5), width), _clipped(floor(middle + half - 0.5) + 1, width)
    centre, square, scale = np.float32(middle), np.float32(half * half), np.float32(row[6])
    for column in range(first, last):
        x = np.float32(column) + _HALF - centre
        line[column] = np.float32(sqrt(max(square - x * x, _ZERO))) * scale
    return first, last


@njit(cache=True)
def add_ellipsoids(table: _Table, member: NDArray[np.bool_], sums: NDArray[np.float64]) -> None:
    """Add each ellipsoid's thickness to its layers of `sums` [layers, height, width]."""
    height, width = sums.shape[1], sums.shape[2]
    line = np.empty(width, np.float32)
    for solid in range(table.shape[0]):
        layers = np.flatnonzero(member[solid])
        if layers.size == 0:
            continue
        middle, reach = table[solid, 1], sqrt(table[solid, 4])
        for y in range(_clipped(ceil(middle - reach - 0.5), height), _clipped(floor(middle + reach - 0.5) + 1, height)):
            first, last = _ellipse_run(table[solid], y, width, line)
            for layer in layers:
                for x in range(first, last):
                    sums[layer, y, x] += line[x]


@njit(cache=True)
def greatest_ellipsoids(table: _Table, group: NDArray[np.int64], layers: NDArray[np.float32]) -> None:
    """Raise `layers` [groups, height, width] to each ellipsoid's thickness in its group."""
    height, width = layers.shape[1], layers.shape[2]
    line = np.empty(width, np.float32)
    for solid in range(table.shape[0]):
        middle, reach = table[solid, 1], sqrt(table[solid, 4])
        layer = layers[group[solid]]
        for y in range(_clipped(ceil(middle - reach - 0.5), height), _clipped(floor(middle + reach - 0.5) + 1, height)):
            first, last = _ellipse_run(table[solid], y, width, line)
            for x in range(first, last):
                layer[y, x] = max(layer[y, x], line[x])
