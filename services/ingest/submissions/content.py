"""The content of a submission, element by element, and the images that an X-ray procedure should have."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from services.common.errors import Rejected
from services.common.events import ImageKind, image_kind

EXPECTED: Final[Mapping[ImageKind, int]] = MappingProxyType({"DV": 1, "LAT": 1})
"""Number of images per view that IMPReSS requires: one whole body DV (034), one LAT (048); close-ups are optional."""
_XRAY: Final = re.compile(r"[A-Z-]+_XRY_\d{3}")


def is_xray(procedure: str | None) -> bool:
    """Tell whether a stable id is that of an X-ray procedure: IMPC_XRY_001, or a centre's own or late-adult one."""
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
