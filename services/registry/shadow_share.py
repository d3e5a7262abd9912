"""Which specimens a candidate in shadow is asked about."""

from __future__ import annotations

from typing import Final

from services.common.events.base import digest

_DIGITS: Final = 13
"""Hexadecimal digits of the digest that are read: as many as a float holds exactly."""


def is_shadowed(biological_sample_id: str, share: float) -> bool:
    """Tell whether a specimen belongs to `share` (0 to 1) of all: by its id alone, so every worker says the same.

    A larger share holds the smaller one; every revision of a specimen is in it or none.
    """
    return int(digest("shadow", biological_sample_id)[:_DIGITS], 16) < share * 16**_DIGITS
