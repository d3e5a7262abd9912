"""Which columns of the 14 labels belong to which level of the hierarchy."""

from __future__ import annotations

from typing import Final

from services.common.labels import LABEL_ORDER, LEVEL2

LEVELS: Final = (1, 2, 3)
LEVEL_COLUMNS: Final = {
    1: range(1),
    2: range(1, 1 + len(LEVEL2)),
    3: range(1 + len(LEVEL2), len(LABEL_ORDER)),
}
"""Columns of each level in arrays of the order of `LABEL_ORDER`."""
