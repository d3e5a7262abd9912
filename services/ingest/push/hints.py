"""Which image parameter a text speaks of: a file name, or a description in a DICOM header.

What a DICOM header says for certain about specimen and view; no pixel is read.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pydicom
from pydicom.errors import InvalidDicomError

from services.common.errors import Rejected
from services.common.events import image_kind

_DESCRIPTIONS: Final = ("SeriesDescription", "ProtocolName", "StudyDescription", "PerformedProcedureStepDescription")
_WANTED: Final = (*_DESCRIPTIONS, "PatientID", "ViewPosition", "BodyPartExamined", "AcquisitionDateTime")


@dataclass(frozen=True)
class Tags:
    """What was found; None where the header is silent or contradicts itself."""

    biological_sample_id: str | None = None
    parameter_stable_id: str | None = None
    acquired_at: datetime | None = None


def read_tags(path: Path) -> Tags:
    """Read a DICOM header; a file that is none, or a broken one, says nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd values are intake's business
            header = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=list(_WANTED))
            return Tags(_text(header, "PatientID"), _parameter(header), _acquired(header))
    except (InvalidDicomError, OSError, ValueError, EOFError, KeyError, AttributeError, NotImplementedError):
        return Tags()


def _text(header: Any, name: str) -> str | None:
    value = header.get(name)
    return None if value is None else str(value).strip() or None


def _parameter(header: Any) -> str | None:
    """Descriptions count one by one; `ViewPosition` together with `BodyPartExamined`. They must agree."""
    position = " ".join(filter(None, (_text(header, "BodyPartExamined"), _text(header, "ViewPosition"))))
    texts = [position, *(_text(header, name) or "" for name in _DESCRIPTIONS)]
    stated = {parameter for parameter in map(parameter_in, texts) if parameter}
    return stated.pop() if len(stated) == 1 else None


def _acquired(header: Any) -> datetime | None:
    """`AcquisitionDateTime`; one without an offset is read as UTC by the event."""
    text = _text(header, "AcquisitionDateTime")
    if text is None:
        return None
    moment = pydicom.valuerep.DT(text)
    return moment if isinstance(moment, datetime) else None


_STABLE_ID: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z-]+_XRY_\d{3}_\d{3}(?!\d)")
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_DORSOVENTRAL: Final = frozenset({"dv", "dorsoventral", "ventrodorsal", "vd"})
_LATERAL: Final = frozenset({"lat", "lateral"})
_SKULL: Final = frozenset({"skull", "head"})
_FOREPAW: Final = frozenset({"forepaw", "paw"})
_HIND: Final = frozenset({"hind", "hindleg", "hindlegs", "hindlimb", "hindquarters", "hip", "hips"})

DORSOVENTRAL: Final = "IMPC_XRY_034_001"
LATERAL: Final = "IMPC_XRY_048_001"
FOREPAW: Final = "IMPC_XRY_049_001"
SKULL_LATERAL: Final = "IMPC_XRY_050_001"
SKULL_DORSOVENTRAL: Final = "IMPC_XRY_051_001"
HIND_LEG: Final = "IMPC_XRY_052_001"


def parameter_in(text: str) -> str | None:
    """Return the IMPReSS image parameter that a text states, or None when it states none or more than one.

    A stable id counts first (IMPC_XRY_034_001, a centre's late-adult copy; legacy sets such as HAS_XRY reuse the
    numbers and state nothing). Else words: DV or dorso-ventral, LAT or lateral, together with skull or head; forepaw;
    hind leg or hip. A view without a body part is whole body.
    """
    stable_ids = set(_STABLE_ID.findall(text))
    if stable_ids:
        return stable_ids.pop() if len(stable_ids) == 1 and all(map(_known, stable_ids)) else None
    words = {word.lower() for word in _WORD.findall(re.sub(r"(?i)dorso[ _-]*ventral", " dorsoventral ", text))}
    close_ups = {part for part, names in ((FOREPAW, _FOREPAW), (HIND_LEG, _HIND)) if words & names}
    dorsoventral, lateral, skull = bool(words & _DORSOVENTRAL), bool(words & _LATERAL), bool(words & _SKULL)
    if close_ups:
        return close_ups.pop() if len(close_ups) == 1 and not skull else None
    if dorsoventral == lateral:
        return None
    if skull:
        return SKULL_DORSOVENTRAL if dorsoventral else SKULL_LATERAL
    return DORSOVENTRAL if dorsoventral else LATERAL


def _known(stable_id: str) -> bool:
    try:
        image_kind(stable_id)
    except Rejected:
        return False
    return True
