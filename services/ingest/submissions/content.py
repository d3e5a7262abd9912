"""What a submission says, element by element, before anything is judged.

Which specimen an entry is about, and which centre sent it.

What centres observed, kept in object storage as it was sent, for `xray train labels --stored`.

Which pictures an X-ray procedure should have.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from services.common.errors import Rejected
from services.common.events import ImageKind, image_kind
from services.common.store import ObjectStore

CENTRE_OF_ILAR_CODE: Final = MappingProxyType(
    {
        "Bcm": "BCM",
        "Gmc": "HMGU",
        "H": "MRC Harwell",
        "Ics": "ICS",
        "J": "JAX",
        "Krb": "KMPC",
        "Rbrc": "RBRC",
        "Tcp": "TCP",
        "Ucd": "UC Davis",
        "Wtsi": "WTSI",
    }
)
"""Names that IMPC's Solr uses for the laboratory codes (ILAR) of the centres' XML; other codes are kept as written."""


def centre_name(code: str) -> str:
    """The name of a centre given by its laboratory code, or the code itself when it is not a known one."""
    return CENTRE_OF_ILAR_CODE.get(code, code)


def specimen_id(sample: str | None, specimen: str | None, centre: str | None, external: str | None) -> str | None:
    """The join key of a specimen: `biological_sample_id`, else `specimen_id`, else one derived from centre and its id.

    The derived id is md5(centre + external id) in hexadecimal, as IMPC derives `specimen_id`. An external id alone is
    not unique: without a centre there is no id, and None is returned. A `biological_sample_id` is a whole number; the
    `183808.0` that spreadsheets make of it is the same mouse.
    """
    if sample:
        return re.sub(r"^(\d+)\.0$", r"\1", sample)
    if specimen:
        return specimen
    if centre and external:
        return hashlib.md5(f"{centre}{external}".encode(), usedforsecurity=False).hexdigest()
    return None


PREFIX: Final = "observations/"
_CONTENT_TYPES: Final = {"xml": "application/xml", "jsonl": "application/x-ndjson"}


def observations_key(data: bytes, suffix: str) -> str:
    """Return the key: `observations/<2>/<sha256>.xml` (a submission) or `.jsonl` (documents of Solr)."""
    name = hashlib.sha256(data).hexdigest()
    return f"{PREFIX}{name[:2]}/{name}.{suffix}"


def keep(store: ObjectStore, data: bytes, suffix: str) -> bool:
    """Store observations under their digest; False when the very same bytes were there already."""
    key = observations_key(data, suffix)
    if store.exists(key):
        return False
    store.put(key, data, _CONTENT_TYPES[suffix])
    return True


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


@dataclass(frozen=True, slots=True)
class Value:
    """A value, term or series value with its status; `line` is where its parameter begins."""

    parameter: str
    line: int
    text: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Medium:
    """A media file that a parameter names, or (without `uri`) a media parameter that was not measured.

    `increment` is a text, as the schema has it ("1", "two"). `associations` are the parameter stable ids that are
    tied to a place in the picture; such a tie is no finding. `line` is where the file is named.
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

    `centre` is the name as IMPC's Solr has it (JAX, not J). `date` is the text of dateOfExperiment (yyyy-MM-dd).
    `status` says why the procedure as a whole was not done.
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
