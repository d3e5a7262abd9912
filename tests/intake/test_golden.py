"""The pixels of a preprocessing version are fixed: others need another version (services/common/preprocessing.py)."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.preprocessing import VERSION
from services.intake.animal.find import find
from services.intake.crop import crop_around, head_up, normalise, render
from services.intake.decode import decode
from tests.intake.files import LIMITS, encoded, stored_pixels

GOLDEN = Path(__file__).parent / f"golden_{VERSION}.png"
ROUNDING = 2
"""Grey levels by which other processors may round differently."""


def drawn() -> NDArray[np.uint16]:
    """A fixed drawing that depends on nothing that may change: body, head, spine, tail, a marker, a blade, a slope."""
    picture = np.full((900, 700), 3000.0) + np.linspace(0, 900, 700)[None, :]
    for centre, axes, level in (((350, 430), (110, 230), 14000.0), ((430, 190), (55, 90), 26000.0)):
        layer = np.zeros_like(picture)
        cv2.ellipse(layer, centre, axes, 15.0, 0.0, 360.0, level, -1)
        picture += cv2.GaussianBlur(layer, (0, 0), 6)
    cv2.line(picture, (400, 250), (320, 640), 52000.0, 9)
    cv2.line(picture, (320, 640), (180, 820), 21000.0, 11)
    cv2.putText(picture, "R", (560, 120), cv2.FONT_HERSHEY_SIMPLEX, 3.0, 64000.0, 9)
    picture[:, :40] = 30000.0
    picture += np.random.default_rng(1).normal(0, 150, picture.shape)
    return np.clip(picture, 0, 65535).astype(np.uint16)


def framed() -> NDArray[np.uint8]:
    """The drawing as a view whose head is declared to be up and slightly to the right."""
    raster = decode(encoded(drawn(), ".png"), LIMITS)
    found = find(raster)
    crop = crop_around(found.animal.mask, head_up(np.array([np.sin(0.2), -np.cos(0.2)])), found.factor)
    return normalise(render(raster, found, crop), found, crop)


def test_the_pixels_of_this_version_are_the_recorded_ones() -> None:
    difference = np.abs(framed().astype(int) - stored_pixels(GOLDEN.read_bytes()))
    assert difference.max() <= ROUNDING
    assert difference.mean() < 0.05
