"""Sizes that a header declares, checked before a decoder may allocate for them."""

from __future__ import annotations

from services.common.errors import Rejected
from services.intake.limits import Limits


def check_size(columns: int, rows: int, frames: int, limits: Limits) -> None:
    """Raise Rejected `image_too_many_pixels`, `image_too_small` or `too_many_frames`."""
    if columns * rows > limits.most_pixels:
        raise Rejected("image_too_many_pixels", "too many pixels", columns=columns, rows=rows, limit=limits.most_pixels)
    if min(columns, rows) < limits.least_side:
        raise Rejected("image_too_small", "too few pixels a side", columns=columns, rows=rows, limit=limits.least_side)
    if frames > limits.most_frames:
        raise Rejected("too_many_frames", "a cine or a volume, not an X-ray", frames=frames, limit=limits.most_frames)
