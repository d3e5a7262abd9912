"""IMPC's status codes: why a parameter or a whole procedure has no value."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

WORDS: Final = MappingProxyType(
    {
        "IMPC_PARAMSC_001": "equipment failed",
        "IMPC_PARAMSC_002": "sample lost",
        "IMPC_PARAMSC_003": "insufficient sample",
        "IMPC_PARAMSC_004": "welfare issue",
        "IMPC_PARAMSC_007": "not in the operating procedure",
        "IMPC_PARAMSC_008": "above upper limit of quantitation",
        "IMPC_PARAMSC_009": "below lower limit of quantitation",
        "IMPC_PARAMSC_010": "quality control failed",
        "IMPC_PARAMSC_011": "laboratory system not ready",
        "IMPC_PARAMSC_012": "software failure",
        "IMPC_PARAMSC_013": "uncooperative mouse",
        "IMPC_PARAMSC_014": "equipment incompatible",
    }
)
REMARKS: Final = frozenset({"IMPC_PARAMSC_005", "IMPC_PARAMSC_006"})
"""Free text of issues and extra information: remarks on a value, which stands."""


def missing_reason(status: str | None, value: str | None) -> str | None:
    """Why an entry counts as missing, or None when its value stands.

    A status means missing even beside a value (a value that failed quality control is not to be believed), except for
    the two remarks. Free text may follow the code after a colon; a status without a known code is given as sent.
    """
    if not status:
        return None if value else "no value"
    code = status.partition(":")[0].strip()
    if code in REMARKS:
        return None if value else status
    return f"{code}: {WORDS[code]}" if code in WORDS else status
