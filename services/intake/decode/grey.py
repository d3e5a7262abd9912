"""What all formats share: size checks before a decoder allocates memory, OpenCV's decoder, and colour to grey."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from services.common.errors import Rejected
from services.intake.decode.errors import corrupt
from services.intake.raster import Grey, Raster, spread
from services.intake.settings import Limits


def check_size(columns: int, rows: int, frames: int, limits: Limits) -> None:
    """Check the size that a header declares.

    Raises Rejected `image_too_many_pixels`, `image_too_small` or `too_many_frames`.
    """
    if columns * rows > limits.most_pixels:
        raise Rejected(
            "image_too_many_pixels",
            f"the image has {columns}x{rows} = {columns * rows} pixels, the limit is {limits.most_pixels}",
            columns=columns,
            rows=rows,
            limit=limits.most_pixels,
        )
    if min(columns, rows) < limits.least_side:
        raise Rejected(
            "image_too_small",
            f"the image has {columns}x{rows} pixels, both sides must have at least {limits.least_side}",
            columns=columns,
            rows=rows,
            limit=limits.least_side,
        )
    if frames > limits.most_frames:
        raise Rejected(
            "too_many_frames",
            f"the file has {frames} or more frames, the limit is {limits.most_frames}: it is a cine or a volume",
            frames=frames,
            limit=limits.most_frames,
        )


_OPAQUE = 0.5
"""A pixel is transparent below this fraction of full alpha."""


def decode_with_opencv(data: bytes, name: str, limits: Limits, facts: dict[str, JsonValue]) -> Raster:
    """Decode a checked file; raises Rejected `image_corrupt` or `bits_unsupported`, or OpenCV's own error.

    EXIF rotation is ignored: the view is oriented by the animal itself.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise corrupt(f"the {name} cannot be decoded")
    check_size(image.shape[1], image.shape[0], 1, limits)
    grey, transparent = to_grey(image)
    bits = grey.dtype.itemsize * 8
    if transparent is not None:
        grey = _filled(grey, transparent)
        facts = {**facts, "transparent": round(float(transparent.mean()), 4)}
    return Raster(grey, spread(grey, bits), {"format": name, "bits": bits, **facts})


def to_grey(image: NDArray[Any]) -> tuple[Grey, NDArray[np.bool_] | None]:
    """Split uint8 or uint16 [rows, columns(, 1 | 3 BGR | 4 BGRA)] into luma (ITU-R BT.601) and a mask of transparency.

    The mask is bool [rows, columns], or None when every pixel is opaque.

    Raises Rejected `bits_unsupported` for other types.
    """
    if image.dtype not in (np.uint8, np.uint16):
        raise Rejected(
            "bits_unsupported", f"the samples are {image.dtype}, supported are uint8 and uint16", found=str(image.dtype)
        )
    channels = 1 if image.ndim == 2 else image.shape[2]
    if channels == 1:
        return image.reshape(image.shape[:2]), None
    if channels == 3:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), dtype=image.dtype), None
    transparent = image[..., 3] < np.iinfo(image.dtype).max * _OPAQUE
    luma = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGRA2GRAY), dtype=image.dtype)
    return luma, transparent if transparent.any() else None


def _filled(grey: Grey, transparent: NDArray[np.bool_]) -> Grey:
    """Give transparent pixels, which may have any value, the median level of the opaque pixels next to them."""
    near = cv2.dilate(transparent.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.bool_) & ~transparent
    if not near.any():
        raise Rejected("blank", "every pixel is transparent")
    return np.where(transparent, grey.dtype.type(np.median(grey[near])), grey)
