"""One thing that setup makes sure of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["made", "there", "mended"]


@dataclass(frozen=True)
class Step:
    """What was looked at, and whether it was made now, there already, or mended (`detail` says how)."""

    what: str
    outcome: Outcome
    detail: str = ""
