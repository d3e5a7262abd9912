"""Converts detected intensity to the grey values that a centre stores."""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from training.simulation.centres import CentreStyle
from training.simulation.imaging.radiograph import Radiograph
from training.simulation.imaging.rays import Picture
from training.simulation.imaging.technique import BLANK, OVER_EXPOSED

_TEXT_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX


def display(radiograph: Radiograph, style: CentreStyle, rng: np.random.Generator) -> Picture:
    """Grey values in [0, 1] with bright bone: logarithm (or detector counts), window, gamma, sharpening.

    The window follows the animal, as in viewing software; lead and blades saturate. For a blank picture it follows the
    noise, and for an over-exposed one the open field.
    """
    transmission = radiograph.transmission
    dense = 1.0 - transmission if style.storage.linear else -np.log(transmission)
    low, high = _window(dense, radiograph, rng)
    grey = np.clip((dense - low) * np.float32(1.0 / (high - low)), 0.0, 1.0).astype(np.float32)
    grey = np.asarray(cv2.pow(grey, float(rng.uniform(*style.gamma))), dtype=np.float32)
    amount = float(rng.uniform(*style.sharpening))
    if amount > 0.05:
        soft = cv2.GaussianBlur(grey, (0, 0), 0.6 / radiograph.mm_per_pixel)
        grey = np.asarray(cv2.addWeighted(grey, 1.0 + amount, soft, -amount, 0.0), dtype=np.float32)
    floor = float(rng.uniform(*style.floor))
    lifted: Picture = np.clip(floor + (1.0 - floor) * grey, 0.0, 1.0).astype(np.float32)
    return lifted


def _window(dense: Picture, radiograph: Radiograph, rng: np.random.Generator) -> tuple[float, float]:
    inside = dense[radiograph.mask][::7]
    # Some technicians choose a window in which the belly is nearly white.
    jitter = float(rng.uniform(0.7, 0.9) if rng.random() < 0.15 else rng.uniform(0.9, 1.1))
    field = radiograph.collimated
    exposed = slice(field.top, field.bottom, 5), slice(field.left, field.right, 5)
    open_field = dense[exposed]
    if radiograph.trouble in (BLANK, OVER_EXPOSED) or inside.size < 100:
        low, high = np.quantile(open_field, (0.01, 0.995))
        return float(low), float(max(high, low + 1e-3))
    background = open_field[~radiograph.mask[exposed]]
    # The quantile up to which the background is black; the last hundredths may be a lead letter.
    black = 1.0 - 0.97 * max(rng.random() ** 2, 0.04)
    low = float(np.quantile(background, black)) if background.size > 100 else float(open_field.min())
    return low, max(low + 0.05, float(np.quantile(inside, 0.997)) * jitter)


def burn_text(grey: Picture, lines: tuple[str, ...]) -> Picture:
    """Write lines of text in full white in the upper left corner, as acquisition software does."""
    size = max(grey.shape) / 2200.0
    marked = np.ascontiguousarray(grey)
    for number, line in enumerate(lines):
        at = (round(30 * size), round((45 + 42 * number) * size))
        cv2.putText(marked, line, at, _TEXT_FONT, size, 1.0, max(round(2 * size), 1), cv2.LINE_AA)
    return marked


def quantise(grey: Picture, bits: int) -> NDArray[Any]:
    """Round to integer grey values of the given number of bits."""
    top = (1 << bits) - 1
    values = np.rint(grey * np.float32(top))
    whole: NDArray[Any] = values.astype(np.uint8 if bits <= 8 else np.uint16)
    return whole
