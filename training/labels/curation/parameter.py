"""Which of the 53 observations a parameter stable id stands for: by its full id, never by its number alone."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from services.common.observations import by_parameter

LEGACY: Final = ("HAS_XRY_", "ESLIM_006_", "GMC_925_", "HAROLD_006_", "M-G-P_006_")
"""Older X-ray procedures: the same numbers (and some of the same names) with other meanings and other options."""
LATE_ADULT: Final = re.compile(r"[A-Z]+LA_(XRY_\d{3}_\d{3})")
"""A centre's late adult procedure copies numbers, names and options of IMPC_XRY."""
ANOTHER_SET: Final = re.compile(r"[A-Z]+_XRY_\d{3}_\d{3}")


@lru_cache(maxsize=4096)
def resolve(parameter_stable_id: str) -> tuple[str | None, str]:
    """The observation that a full id stands for, or None with the reason why it stands for none.

    Reasons: `legacy_parameter_set`; `not_an_observation` (images, metadata, `Alive`, comments); `unknown_parameter` (no
    such number or version in IMPC_XRY_001); `unmapped_parameter_set` (another X-ray procedure, such as CCP's, which is
    made from micro-CT); `another_procedure`. With an observation the reason is empty.
    """
    identifier = parameter_stable_id
    late = LATE_ADULT.fullmatch(identifier)
    base = f"IMPC_{late[1]}" if late else identifier
    if base in by_parameter():
        return base, ""
    if base.startswith("IMPC_XRY_"):
        return None, "not_an_observation" if _exists(base) else "unknown_parameter"
    if identifier.startswith(LEGACY):
        return None, "legacy_parameter_set"
    return None, "unmapped_parameter_set" if ANOTHER_SET.fullmatch(identifier) else "another_procedure"


def _exists(base: str) -> bool:
    """IMPC_XRY_001 has the parameters 001 to 074, all in their first version."""
    match = re.fullmatch(r"IMPC_XRY_(\d{3})_001", base)
    return match is not None and 1 <= int(match[1]) <= 74
