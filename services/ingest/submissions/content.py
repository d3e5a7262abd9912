"""The content of a submission, element by element, and the images that an X-ray procedure should have."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from services.common.errors import Rejected
from services.common.events import ImageKind, image_kind


def specimen_id(sample: str | None, specimen: str | None, centre: str | None, external: str | None) -> str | None:
    """The join key of a specimen: `biological_sample_id`, else `specimen_id`, else one derived from centre and its id.

    The derived id is md5(centre + external id) in hexadecimal, as IMPC derives `specimen_id`. An external id alone is
    not unique, so without a centre the result is None. A `biological_sample_id` is a whole number; spreadsheets turn
    183808 into `183808.0`, which is the same mouse.
    """
    if sample:
        return re.sub(r"^(\d+)\.0$", r"\1", sample)
    if specimen:
        return specimen
    if centre and external:
        return hashlib.md5(f"{centre}{external}".encode(), usedforsecurity=False).hexdigest()
    return None


EXPECTED: Final[Mapping[ImageKind, int]] = MappingProxyType({"DV": 1, "LAT": 1})
"""Number of images per view that IMPReSS requires: one whole body DV (034), one LAT (048); close-ups are optional."""
_XRAY: Final = re.compile(r"[A-Z-]+_XRY_\d{3}")


def is_xray(procedure: str | None) -> bool:
    """Return whether a stable id is that of an X-ray procedure: IMPC_XRY_001, or a centre's own or late-adult one."""
    return procedure is not None and _XRAY.fullmatch(procedure) is not None


def kind_of(parameter_stable_id: str) -> ImageKind:
    """Return the view of an image parameter; `other` also for parameters that are not image parameters."""
    try:
        return image_kind(parameter_stable_id)
    except Rejected:
        return "other"


@dataclass(frozen=True, slots=True)
class Value:
    """A value, term or series value with its status; its parameter begins at `line`."""

    parameter: str
    line: int
    text: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Medium:
    """A media file that a parameter names, or (without `uri`) a media parameter that was not measured.

    `increment` is text, as in the schema ("1", "two"). `associations` are the stable ids of parameters that refer to
    a position in the image; such a reference is not a finding. The file is named at `line`.
    """

    parameter: str
    line: int
    uri: str | None = None
    increment: str | None = None
    file_type: str | None = None
    associations: tuple[str, ...] = ()
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """One procedure on one animal, or on several that share its values.

    `centre` is the name that IMPC's Solr uses (JAX, not J). `date` is the text of dateOfExperiment (yyyy-MM-dd).
    `status` is the reason why the procedure as a whole was not done.
    """

    line: int
    centre: str | None = None
    experiment_id: str | None = None
    date: str | None = None
    procedure: str | None = None
    specimens: tuple[str, ...] = ()
    values: tuple[Value, ...] = ()
    media: tuple[Medium, ...] = ()
    status: str | None = None
