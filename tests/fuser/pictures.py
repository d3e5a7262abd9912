"""Images for the fuser's tests."""

import cv2
import numpy as np

from services.common.preprocessing import VIEW_SIDE
from services.fuser.fuse import Image


def bone(seed: int) -> Image:
    """A soft body with some bright bars, which is enough for fusion."""
    random = np.random.default_rng(seed)
    image = np.zeros((VIEW_SIDE, VIEW_SIDE), np.uint8)
    cv2.ellipse(image, (224, 224), (90, 180), 0, 0, 360, 70, -1)
    for y in random.integers(60, 390, 25):
        cv2.rectangle(image, (190, int(y)), (255, int(y) + 9), int(random.integers(150, 255)), -1)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5), dtype=np.uint8)
