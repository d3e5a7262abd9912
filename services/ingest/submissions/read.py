"""Reads submissions: XML after the schema `procedure_definition` of IMPC's data coordination centre (DCC).

Parsed as a stream with `defusedxml`: any document type is refused, so no entity can be defined, fetched or expanded;
size, depth and the length of a text are bounded. Elements are known by their local names, since centres write
different namespaces.

IMPC's status codes: why a parameter or a whole procedure has no value.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final
from xml.sax import SAXParseException
from xml.sax.handler import feature_namespaces

from defusedxml.common import DefusedXmlException
from defusedxml.sax import make_parser

from services.common.errors import Rejected
from services.ingest.submissions.content import Experiment
from services.ingest.submissions.handler import SubmissionHandler

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


MAXIMUM_SIZE: Final = 64 * 1024 * 1024
"""Bytes. A submission holds a day of a centre: a few megabytes."""
CHUNK: Final = 64 * 1024


def read_experiments(file: BinaryIO, path: Path) -> Iterator[Experiment]:
    """Experiments of one submission, in its order; `path` is for the words of refusals.

    Raises Rejected `xml_too_large`, `xml_forbidden` (document type, entities), `not_xml` or `not_a_submission`, whose
    words name the file and the line.
    """
    if file.seek(0, os.SEEK_END) > MAXIMUM_SIZE:
        raise Rejected("xml_too_large", f"{path}: more than 64 MiB; split the submission by experiment")
    file.seek(0)
    parser = make_parser()
    handler = SubmissionHandler(path, parser.getLineNumber)
    parser.forbid_dtd = True
    parser.setFeature(feature_namespaces, True)
    parser.setContentHandler(handler)
    try:
        while chunk := file.read(CHUNK):
            parser.feed(chunk)
            yield from handler.taken()
        parser.close()
        yield from handler.taken()
    except DefusedXmlException as error:
        words = f"{path}:{parser.getLineNumber()}: a DOCTYPE or entity is not allowed in a submission; remove it"
        raise Rejected("xml_forbidden", words) from error
    except SAXParseException as error:
        words = f"{path}:{error.getLineNumber()}: not well-formed XML ({error.getMessage()}); mend this line"
        raise Rejected("not_xml", words) from error
