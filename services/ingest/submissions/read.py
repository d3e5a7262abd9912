"""Reads submissions: XML that follows the schema `procedure_definition` of IMPC's data coordination centre (DCC).

`defusedxml` parses them as a stream. Any document type is refused, so no entity can be defined, fetched or expanded.
Size, depth and the length of a text are limited. Elements are recognised by their local names, because centres use
different namespaces.
"""

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

STATUS_TEXTS: Final = MappingProxyType(
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
"""IMPC's status codes: the reason why a parameter or a whole procedure has no value."""
REMARKS: Final = frozenset({"IMPC_PARAMSC_005", "IMPC_PARAMSC_006"})
"""Free text about issues and extra information; a value with such a remark is valid."""


def missing_reason(status: str | None, value: str | None) -> str | None:
    """Return the reason why an entry counts as missing, or None if its value is valid.

    Except for the two remarks, a status means missing even if there is a value: one that failed quality control must
    not be used. Free text may follow the code after a colon. A status without a known code is returned as sent.
    """
    if not status:
        return None if value else "no value"
    code = status.partition(":")[0].strip()
    if code in REMARKS:
        return None if value else status
    return f"{code}: {STATUS_TEXTS[code]}" if code in STATUS_TEXTS else status


MAXIMUM_SIZE: Final = 64 * 1024 * 1024
"""Bytes. A submission holds one day of a centre, which is a few megabytes."""
CHUNK: Final = 64 * 1024


def read_experiments(file: BinaryIO, path: Path) -> Iterator[Experiment]:
    """Yield the experiments of one submission in its order; `path` names the file in error messages.

    Raises Rejected `xml_too_large`, `xml_forbidden` (document type, entities), `not_xml` or `not_a_submission`; the
    message names the file and the line.
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
            yield from handler.take_finished()
        parser.close()
        yield from handler.take_finished()
    except DefusedXmlException as error:
        message = f"{path}:{parser.getLineNumber()}: a DOCTYPE or entity is not allowed in a submission; remove it"
        raise Rejected("xml_forbidden", message) from error
    except SAXParseException as error:
        message = f"{path}:{error.getLineNumber()}: not well-formed XML ({error.getMessage()}); fix this line"
        raise Rejected("not_xml", message) from error
    except (LookupError, ValueError) as error:  # expat's, for an encoding that Python or expat does not have
        raise Rejected("not_xml", f"{path}:1: the declared encoding is not supported ({error}); use UTF-8") from error
