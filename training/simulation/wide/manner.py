"""How a radiograph becomes grey values in the wide population: any window, tone curve, filter and noise.

The order is that of viewing software: window, tone curve, sharpening, noise of copying, turning (with filled corners),
burned-in text, inversion.
"""

from typing import Final

import cv2
import numpy as np

from training.simulation.imaging.radiograph import Radiograph
from training.simulation.imaging.rays import Picture

_Rng = np.random.Generator

GAMMA: Final = (0.35, 1.8)
LINEAR: Final = 0.25
LOCAL_CONTRAST: Final = 0.3
SOFT_WINDOW: Final = 0.15
BONE_WINDOW: Final = 0.2
BLURRED: Final = 0.3
MOST_BLUR_MM: Final = 0.6
"""Two pixels of a standard view, which are about a third of a millimetre wide."""
NOISY: Final = 0.4
MOST_NOISE: Final = 14.0 / 255.0
TURNED: Final = 0.1
INVERTED: Final = 0.15
TEXT: Final = 0.2
EIGHT_BITS: Final = 0.35
_LEVELS: Final = 4096
_SHRINK: Final = 4


def wide_display(radiograph: Radiograph, rng: _Rng) -> Picture:
    """Grey values in [0, 1] of a radiograph; bone is bright, or dark in the share INVERTED."""
    transmission = radiograph.transmission
    dense = 1.0 - transmission if rng.random() < LINEAR else -np.log(transmission)
    if rng.random() < BLURRED:
        sigma = float(rng.uniform(0.0, MOST_BLUR_MM)) / radiograph.mm_per_pixel
        dense = np.asarray(cv2.GaussianBlur(dense, (0, 0), max(sigma, 0.2)), dtype=np.float32)
    if rng.random() < LOCAL_CONTRAST:
        dense = _locally_stretched(dense, radiograph.mm_per_pixel, rng)
    grey = _toned(dense, *_window(dense, radiograph, rng), rng)
    amount = float(rng.uniform(0.0, 1.2))
    if rng.random() < 0.6:
        soft = cv2.GaussianBlur(grey, (0, 0), float(rng.uniform(0.2, 1.0)) / radiograph.mm_per_pixel)
        grey = np.asarray(cv2.addWeighted(grey, 1.0 + amount, soft, -amount, 0.0), dtype=np.float32)
    if rng.random() < NOISY:
        grey = grey + _noise(grey.shape[0], grey.shape[1], rng) * np.float32(rng.uniform(0.0, MOST_NOISE))
    grey = np.clip(grey, 0.0, 1.0)
    if rng.random() < TURNED:
        grey = _with_turned_corners(grey, radiograph, rng)
    if rng.random() < TEXT:
        grey = _with_text(grey, radiograph, rng)
    grey = 1.0 - grey if rng.random() < INVERTED else grey
    if rng.random() < EIGHT_BITS:
        grey = np.rint(grey * np.float32(255.0)) * np.float32(1.0 / 255.0)
    return np.asarray(grey, dtype=np.float32)


def _window(dense: Picture, radiograph: Radiograph, rng: _Rng) -> tuple[float, float]:
    """Black and white point: from a window on soft tissue, whose bones are white, to one on bone."""
    field = radiograph.collimated
    part = slice(field.top, field.bottom, 4), slice(field.left, field.right, 4)
    mask, values = radiograph.mask[part], dense[part]
    inside, outside = values[mask], values[~mask]
    if inside.size < 100 or outside.size < 100:
        low, high = np.quantile(values, (0.01, 0.995))
        return float(low), float(max(high, low + 1e-3))
    style = rng.random()
    low = float(np.quantile(outside, 1.0 - 0.97 * max(rng.random() ** 2, 0.02)))
    white = float(np.quantile(inside, 0.997))
    if style < SOFT_WINDOW:
        white = float(np.quantile(inside, rng.uniform(0.8, 0.96)))
    elif style < SOFT_WINDOW + BONE_WINDOW:
        low = float(np.quantile(inside, rng.uniform(0.1, 0.55)))
    else:
        white *= float(rng.uniform(0.8, 1.35))
    return low, max(white, low + 0.04)


def _locally_stretched(dense: Picture, mm_per_pixel: float, rng: _Rng) -> Picture:
    """Less of what varies over several millimetres, as the filters of many viewers do."""
    height, width = dense.shape
    small = cv2.resize(dense, (width // _SHRINK, height // _SHRINK), interpolation=cv2.INTER_AREA)
    wide = cv2.GaussianBlur(small, (0, 0), float(rng.uniform(2.5, 8.0)) / (mm_per_pixel * _SHRINK))
    veil = cv2.resize(wide, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.addWeighted(dense, 1.0, veil, -float(rng.uniform(0.1, 0.55)), 0.0), dtype=np.float32)


def _toned(dense: Picture, low: float, high: float, rng: _Rng) -> Picture:
    """The window and a tone curve: a power, or the S curve of film, above a floor."""
    level = np.linspace(0.0, 1.0, _LEVELS)
    curve = level ** float(np.exp(rng.uniform(*np.log(GAMMA))))
    if rng.random() < 0.2:
        steep = float(rng.uniform(3.0, 7.0))
        curve = 1.0 / (1.0 + np.exp(-steep * (curve - 0.5)))
        curve = (curve - curve[0]) / (curve[-1] - curve[0])
    floor = float(rng.uniform(0.0, 0.2)) if rng.random() < 0.4 else 0.0
    table = (floor + (1.0 - floor) * curve).astype(np.float32)
    index = (dense - np.float32(low)) * np.float32((_LEVELS - 1) / (high - low))
    return np.asarray(table[np.clip(index, 0, _LEVELS - 1).astype(np.uint16)], dtype=np.float32)


def _noise(height: int, width: int, rng: _Rng) -> Picture:
    """Normal deviates; a block is drawn and repeated, which is not noticeable."""
    block = rng.standard_normal(((height + 1) // 2, (width + 1) // 2), dtype=np.float32)
    return np.tile(block, (2, 2))[:height, :width]


def _with_turned_corners(grey: Picture, radiograph: Radiograph, rng: _Rng) -> Picture:
    """The corners that turning a picture leaves, filled with white or black; the animal stays inside."""
    if radiograph.animal is None:
        return grey
    turn = np.radians(float(rng.uniform(8.0, 45.0)) * float(rng.choice([-1.0, 1.0])))
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    rows, columns = np.nonzero(radiograph.mask[::6, ::6])
    along = np.column_stack((columns, rows)) * 6.0 @ axes.T
    margin = float(rng.uniform(2.0, 14.0)) / radiograph.mm_per_pixel
    (left, top), (right, bottom) = along.min(axis=0) - margin, along.max(axis=0) + margin
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) @ axes
    inside = np.zeros(grey.shape, dtype=np.uint8)
    cv2.fillConvexPoly(inside, np.rint(corners).astype(np.int32), 1)
    filled = np.float32(1.0 if rng.random() < 0.7 else 0.0)
    return np.where(inside == 1, grey, filled)


def _with_text(grey: Picture, radiograph: Radiograph, rng: _Rng) -> Picture:
    """Burned-in text in any corner."""
    marked = np.ascontiguousarray(grey)
    size = max(grey.shape) / float(rng.uniform(900.0, 2600.0))
    lines = (f"ID {radiograph.biological_sample_id}", f"{rng.integers(20, 45)}kV {rng.integers(2, 30)}s", "XRAY")
    top, left = rng.random() < 0.5, rng.random() < 0.6
    for number, line in enumerate(lines[: rng.integers(1, 4)]):
        x = round(20 * size) if left else grey.shape[1] - round(330 * size)
        y = round((40 + 42 * number) * size) if top else grey.shape[0] - round((20 + 42 * number) * size)
        cv2.putText(marked, line, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, 1.0, max(round(2 * size), 1), cv2.LINE_AA)
    return marked
