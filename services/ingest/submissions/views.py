"""Which pictures an X-ray procedure should have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from services.common.errors import Rejected
from services.common.events import ImageKind, image_kind

EXPECTED: Final[Mapping[ImageKind, int]] = MappingProxyType({"DV": 1, "LAT": 1})
"""Whole body dorsoventral (034) and lateral (048) are required by IMPReSS; skull, forepaw and hind leg are optional."""
_XRAY: Final = re.compile(r"[A-Z-]+_XRY_\d{3}")


def is_xray(procedure: str | None) -> bool:
    """Tell whether a procedure stable id is that of an X-ray procedure (IMPC_XRY_001, a centre's or late-adult one)."""
    return procedure is not None and _XRAY.fullmatch(procedure) is not None


def kind_of(parameter_stable_id: str) -> ImageKind:
    """The view that an image parameter declares; `other` also for what is no image parameter of the procedure."""
    try:
        return image_kind(parameter_stable_id)
    except Rejected:
        return "other"
