"""Which specimen an entry is about, and which centre sent it."""

from __future__ import annotations

import hashlib
import re
from types import MappingProxyType
from typing import Final

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
