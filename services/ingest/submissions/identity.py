"""Which centre sent an entry, and which specimen it is about."""

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
"""The names that IMPC's Solr uses for the laboratory codes (ILAR) in the centres' XML."""


def centre_name(code: str) -> str:
    """Return the name of the centre with this laboratory code; an unknown code is returned unchanged."""
    return CENTRE_OF_ILAR_CODE.get(code, code)


def is_known_centre(name: str) -> bool:
    """Tell whether `centre_name` returned a name, not an unknown code."""
    return name in CENTRE_OF_ILAR_CODE.values()


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
