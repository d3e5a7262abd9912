"""What a DICOM header says for certain about specimen and view; no pixel is read."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pydicom
from pydicom.errors import InvalidDicomError

from services.ingest.push.hints import parameter_in

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
