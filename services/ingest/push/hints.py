"""Finds the specimen in a DICOM header, and the view in a header or a file name; no pixel is read."""

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
_READ: Final = (*_DESCRIPTIONS, "PatientID", "ViewPosition", "BodyPartExamined", "AcquisitionDateTime")


@dataclass(frozen=True)
class DicomTags:
    """The values of a header; None where it gives none.

    `contradiction` names the tags that state different views; `parameter_stable_id` is None then.
    """

    biological_sample_id: str | None = None
    parameter_stable_id: str | None = None
    acquired_at: datetime | None = None
    contradiction: str | None = None


def read_tags(path: Path) -> DicomTags:
    """Read a DICOM header; a file without a header, or with a broken one, gives empty tags."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # intake checks the values
            header = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=list(_READ))
            parameter, contradiction = _view(header)
            return DicomTags(_text(header, "PatientID"), parameter, _acquired(header), contradiction)
    except (InvalidDicomError, OSError, ValueError, EOFError, KeyError, AttributeError, NotImplementedError):
        return DicomTags()


def _text(header: Any, name: str) -> str | None:
    value = header.get(name)
    return None if value is None else str(value).strip() or None


def _view(header: Any) -> tuple[str | None, str | None]:
    """The parameter that the tags agree on, or how they contradict each other.

    Each description counts alone; `ViewPosition` counts together with `BodyPartExamined`.
    """
    position = " ".join(filter(None, (_text(header, "BodyPartExamined"), _text(header, "ViewPosition"))))
    texts = {"ViewPosition": position} | {name: _text(header, name) or "" for name in _DESCRIPTIONS}
    stated = {name: parameter for name, text in texts.items() if (parameter := parameter_in(text))}
    parameters = set(stated.values())
    if len(parameters) > 1:
        return None, ", ".join(f"{name}: {parameter}" for name, parameter in stated.items())
    return (parameters.pop() if parameters else None), None


def _acquired(header: Any) -> datetime | None:
    """`AcquisitionDateTime`; the event reads a time without an offset as UTC."""
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
    """Return the IMPReSS image parameter that a text states, or None if it states none or more than one.

    A stable id takes precedence: IMPC_XRY_034_001, or a centre's late-adult copy of it. Legacy sets such as HAS_XRY
    reuse the numbers and count as no view. Otherwise words count: DV or dorso-ventral, LAT or lateral, alone or with
    skull or head; forepaw; hind leg or hip. A view without a body part is whole body.
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
