"""The stored form of a view: lossless PNG whose bytes depend on the pixels alone."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.errors import Rejected
from services.common.preprocessing import VIEW_SIDE

_FAST: Final = (cv2.IMWRITE_PNG_COMPRESSION, 1)


def encode_view(pixels: NDArray[np.uint8]) -> bytes:
    """Encode uint8 [448, 448] as PNG."""
    done, encoded = cv2.imencode(".png", pixels, _FAST)
    if not done:
        msg = "OpenCV cannot encode a view as PNG"
        raise RuntimeError(msg)
    return bytes(encoded)


def decode_view(data: bytes) -> NDArray[np.uint8]:
    """Decode a stored view to uint8 [448, 448]; raises Rejected `view_corrupt` for anything else."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    except cv2.error:
        pixels = None
    if pixels is None or pixels.shape != (VIEW_SIDE, VIEW_SIDE) or pixels.dtype != np.uint8:
        raise Rejected("view_corrupt", f"not a PNG of {VIEW_SIDE}x{VIEW_SIDE} grey pixels")
    return np.asarray(pixels, dtype=np.uint8)
