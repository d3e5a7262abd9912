"""The phenotyping centres: their names in IMPC's Solr, and their laboratory codes in submissions."""

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
IMPC_CENTRES: Final = frozenset(
    {
        *CENTRE_OF_ILAR_CODE.values(),
        "CAM-SU GRC",
        "CCP-IMG",
        "CDTA",
        "MARC",
        "NARLabs",
    }
)
"""Names of phenotyping centres as in the field `phenotyping_center` of IMPC's Solr."""
DEMO_PREFIX: Final = "Demo "
"""Simulated mice are announced under `Demo <centre>`, so they never enter the statistics of a real centre."""


def centre_name(code: str) -> str:
    """Return the name of the centre with this laboratory code; an unknown code is returned unchanged."""
    return CENTRE_OF_ILAR_CODE.get(code, code)


def is_accepted(name: str) -> bool:
    """Return whether images of this centre need no confirmation: a centre of IMPC, or one of the demo."""
    return name in IMPC_CENTRES or name.startswith(DEMO_PREFIX)
